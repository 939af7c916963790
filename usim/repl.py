"""Reads Renode platform files (.repl): the subset that says which peripheral sits where.

Format: Renode's documentation, "Platform description format". `init:` and `reset:` blocks are
checked for shape and skipped, because nothing here runs them; of the system bus's `init:` the tags
are kept, which name addresses that no model stands for and say what is read there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

from usim.description_files import read_text
from usim.repl_connections import Connection, read_connections
from usim.repl_text import LogicalLine, block_end, logical_lines, split_statements

Value = int | str | bool | float

_NAMESPACE: Final = "Antmicro.Renode.Peripherals."
_MEMORY_TYPES: Final = frozenset({"Memory.MappedMemory", "Memory.ArrayMemory"})
_USING = re.compile(r'using\s+"([^"]*)"(?:\s+prefixed\s+"([^"]*)")?')
_ENTRY = re.compile(r"(?:local\s+)?([A-Za-z_]\w*)\s*:(.*)", re.DOTALL)
_TYPE = re.compile(r"[A-Za-z_][\w.]*")
_ALIAS = re.compile(r'as\s+"[^"]*"')
_POINT = re.compile(r"(\w+)(?:\s+(<[^>]*>|new\s+[\w.]+\s*|[^\s{;]+))?\s*")
_RANGE = re.compile(r"<\s*(\w+)\s*,\s*(\+?)\s*(\w+)\s*>")
_BLOCK = re.compile(r"(?:preinit|init|reset)(?:\s+add)?\s*(?::|$|(?={))")
_PROPERTY = re.compile(r"([A-Za-z_]\w*)\s*:(.*)", re.DOTALL)
_INTEGER = re.compile(r"[+-]?(?:0[xX][0-9a-fA-F]+(?:_[0-9a-fA-F]+)*|\d+(?:_\d+)*)")
_FLOAT = re.compile(r"[+-]?\d+\.\d+")
_TAG = re.compile(r'Tag\s+(<[^>]*>)\s+"([^"]*)"(?:\s+(\w+))?')
_REFERENCE = re.compile(r"\.?[A-Za-z_][\w.]*")


@dataclass(frozen=True, slots=True)
class Peripheral:
    """One entry: what it is, and where it answers on the system bus."""

    name: str
    type: str
    addresses: tuple[int, ...]
    size_bytes: int | None
    properties: Mapping[str, Value]
    line: int
    file: Path
    connections: tuple[Connection, ...] = ()


@dataclass(frozen=True, slots=True)
class Tag:
    """A named range of addresses that reads as a constant."""

    name: str
    base: int
    size_bytes: int
    value: int


@dataclass(frozen=True, slots=True)
class PlatformFile:
    """A platform file with everything that it includes."""

    path: Path
    peripherals: tuple[Peripheral, ...]
    tags: tuple[Tag, ...] = ()

    def memories(self) -> tuple[Peripheral, ...]:
        """The peripherals that are memory."""
        return tuple(entry for entry in self.peripherals if entry.type in _MEMORY_TYPES)

    def of_type(self, type_name: str) -> tuple[Peripheral, ...]:
        """The peripherals of a Renode class, with or without its default namespace."""
        wanted = type_name.removeprefix(_NAMESPACE)
        return tuple(entry for entry in self.peripherals if entry.type == wanted)


def read_repl(path: Path) -> PlatformFile:
    """Read a platform file and those that it includes."""
    drafts: dict[str, _Draft] = {}
    tags: list[Tag] = []
    _read_into(_Found(drafts, tags), path, "", ())
    return PlatformFile(path, tuple(draft.finish() for draft in drafts.values()), tuple(tags))


@dataclass(slots=True)
class _Draft:
    """An entry while later entries may still update it."""

    name: str
    type: str
    at: LogicalLine
    addresses: tuple[int, ...] = ()
    range_bytes: int | None = None
    properties: dict[str, Value] = field(default_factory=dict)
    connections: list[Connection] = field(default_factory=list)

    def finish(self) -> Peripheral:
        size = self.properties.get("size", self.range_bytes)
        if self.type in _MEMORY_TYPES and not (isinstance(size, int) and size > 0):
            self.at.fail(f"memory {self.name} has no size; add a line `size: 0x...`")
        return Peripheral(
            self.name,
            self.type,
            self.addresses,
            size if isinstance(size, int) else None,
            MappingProxyType(self.properties),
            self.at.number,
            self.at.file,
            tuple(self.connections),
        )


@dataclass(frozen=True, slots=True)
class _Found:
    """What was read so far."""

    drafts: dict[str, _Draft]
    tags: list[Tag]


def _read_into(found: _Found, path: Path, prefix: str, including: tuple[Path, ...]) -> None:
    including = (*including, path.resolve())
    current: _Draft | None = None
    # Whether the line above may have an indented block below it.
    block_allowed = False
    for line in logical_lines(path, read_text(path)):
        if line.depth == 0:
            block_allowed = False
            current = None
            if using := _USING.fullmatch(line.text):
                _include(found, line, using, prefix, including)
            else:
                current = _read_entry(found.drafts, line, prefix)
        elif current is None:
            line.fail("indented, but there is no entry above it")
        elif line.depth == 1:
            block_allowed = _read_attribute(current, line)
        elif not block_allowed:
            line.fail("indented too deep; an entry's attributes stand four spaces in")
        elif current.name == "sysbus" and (tag := _TAG.fullmatch(line.text)):
            found.tags.append(_read_tag(line, tag))


def _read_tag(line: LogicalLine, match: re.Match[str]) -> Tag:
    """Read `Tag <first, last> "name" value`; unlike elsewhere the second address is included."""
    bounds = _RANGE.fullmatch(match[1])
    if bounds is None or bounds[2]:
        line.fail(f"cannot read the range {match[1]}; write <0x40020000, 0x400203FF>")
    first, last = _integer(line, bounds[1]), _integer(line, bounds[3])
    if last < first:
        line.fail(f"the range {match[1]} ends before it begins")
    return Tag(match[2], first, last - first + 1, _integer(line, match[3]) if match[3] else 0)


def _include(
    found: _Found,
    line: LogicalLine,
    using: re.Match[str],
    prefix: str,
    including: tuple[Path, ...],
) -> None:
    target = line.file.parent / using[1]
    if target.resolve() in including:
        line.fail(f"{using[1]} is being included already")
    if not target.is_file():
        line.fail(f"no file {using[1]} beside this one to include")
    _read_into(found, target, prefix + (using[2] or ""), including)


def _read_entry(drafts: dict[str, _Draft], line: LogicalLine, prefix: str) -> _Draft:
    """Read `name: Type @ registration as "alias" { attributes }`, of which a part may be absent."""
    match = _ENTRY.fullmatch(line.text)
    if match is None:
        line.fail(f"expected `name: Type @ sysbus address`, found `{line.text}`")
    name, rest = prefix + match[1], match[2].strip()
    kind = _TYPE.match(rest)
    draft = _declare(drafts, line, name, kind[0] if kind else None)
    rest = rest[kind.end() :].strip() if kind else rest
    if rest.startswith("@"):
        rest = _read_registrations(draft, line, rest[1:].strip())
    if alias := _ALIAS.match(rest):
        rest = rest[alias.end() :].strip()
    if rest.startswith("{"):
        end = block_end(rest)
        for statement in split_statements(rest[1 : end - 1]):
            _read_attribute(draft, line.inside(statement))
        rest = rest[end:].strip()
    if rest:
        line.fail(f"cannot read `{rest}` after {match[1]}")
    return draft


def _declare(
    drafts: dict[str, _Draft], line: LogicalLine, name: str, type_name: str | None
) -> _Draft:
    if type_name is not None:
        if name in drafts:
            line.fail(f"{name} is declared already, on line {drafts[name].at.number}")
        drafts[name] = _Draft(name, type_name.removeprefix(_NAMESPACE), line)
    elif name == "sysbus":
        # The one entry that Renode declares itself; only its init block matters, to Renode.
        return _Draft(name, "Bus.SystemBus", line)
    elif name not in drafts:
        line.fail(f"{name} has no type and was not declared before; write `{name}: Type`")
    return drafts[name]


def _read_registrations(draft: _Draft, line: LogicalLine, text: str) -> str:
    """Read what follows the @; return what follows the registrations."""
    if text.startswith("{"):
        end = block_end(text)
        points, rest = split_statements(text[1 : end - 1]), text[end:].strip()
    else:
        match = _POINT.match(text)
        if match is None:
            line.fail(f"{draft.name} is registered at nothing; write `@ sysbus address`")
        end = match.end()
        if (match[2] or "").startswith("new") and text.startswith("{", end):
            end += block_end(text[end:])
        points, rest = [text[:end].strip()], text[end:].strip()
    found = [_read_point(line, point) for point in points if point != "none"]
    draft.addresses = tuple(address for address, _ in found if address is not None)
    draft.range_bytes = next((size for _, size in found if size is not None), None)
    return rest


def _read_point(line: LogicalLine, text: str) -> tuple[int | None, int | None]:
    """Read `sysbus 0x40011000` or `sysbus <0x40020000, +0x400>`: an address and a size."""
    register, _, point = text.partition(" ")
    point = point.strip()
    if register != "sysbus" or not point:
        return None, None
    if point.startswith("new "):
        address = re.search(r"\baddress\s*:\s*(\w+)", point)
        size = re.search(r"\bsize\s*:\s*(\w+)", point)
        return (
            _integer(line, address[1]) if address else None,
            _integer(line, size[1]) if size else None,
        )
    if not point.startswith("<"):
        return _integer(line, point), None
    match = _RANGE.fullmatch(point)
    if match is None:
        line.fail(f"cannot read the range {point}; write <0x40020000, +0x400>")
    begin, last = _integer(line, match[1]), _integer(line, match[3])
    return begin, last if match[2] else last - begin


def _integer(line: LogicalLine, text: str) -> int:
    if not _INTEGER.fullmatch(text):
        line.fail(f"{text} is not a number")
    return int(text, 16 if "x" in text.lower() else 10)


def _read_attribute(draft: _Draft, line: LogicalLine) -> bool:
    """Read a line below an entry; return whether a deeper block may follow it."""
    if _BLOCK.match(line.text):
        return True
    head, arrow, destination = line.text.partition("->")
    if arrow and '"' not in head:
        if not destination.strip():
            line.fail("an interrupt leads nowhere; write `-> nvic@37`")
        draft.connections += read_connections(line, head, destination)
        return True
    match = _PROPERTY.fullmatch(line.text)
    if match is None:
        line.fail(f"expected `name: value` or `-> controller@line`, found `{line.text}`")
    name, text = match[1], match[2].strip()
    if text == "none":
        draft.properties.pop(name, None)
        return False
    draft.properties[name] = _value(line, name, text)
    return text.startswith("new ")


def _value(line: LogicalLine, name: str, text: str) -> Value:
    if _INTEGER.fullmatch(text):
        return _integer(line, text)
    if _FLOAT.fullmatch(text):
        return float(text)
    if text in ("true", "false"):
        return text == "true"
    if text.startswith("'''") and text.endswith("'''"):
        return text[3:-3]
    if text.startswith('"') and text.endswith('"') and len(text) > 1:
        return text[1:-1].replace('\\"', '"')
    # References, enumeration members, ranges, collections, new objects: nobody looks inside.
    if not (_REFERENCE.fullmatch(text) or text[:1] in ("<", "[", "{") or text.startswith("new ")):
        line.fail(f"cannot read the value of {name}: `{text}`" if text else f"{name} has no value")
    return text

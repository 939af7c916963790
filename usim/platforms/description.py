"""Reads a YAML file into plain values that remember their line, and merges `extends` chains."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import yaml

from usim.description_files import fail_at, read_text

Key = tuple[str | int, ...]

_KEY = re.compile(r"[A-Za-z_][\w-]*")


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a file."""

    file: Path
    line: int


@dataclass(frozen=True, slots=True)
class Description:
    """A YAML mapping, and where each of its keys stands."""

    values: dict[str, Any]
    places: Mapping[Key, Place]

    def fail(self, key: Key, problem: str, **attributes: Any) -> NoReturn:  # noqa: ANN401
        """Refuse the value at `key`, or its nearest parent where it is missing."""
        place = self.place_of(key)
        fail_at(
            place.file, place.line, f"{key_text(key)}: {problem}", key=key_text(key), **attributes
        )

    def place_of(self, key: Key) -> Place:
        """The line of `key`, or of the nearest parent that the file has."""
        while key and key not in self.places:
            key = key[:-1]
        return self.places[key]


def key_text(key: Key) -> str:
    """Write a key as memory.regions.itcm, list positions as sections.text[0]."""
    text = ""
    for part in key:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def read_description(file: Path) -> Description:
    """Read one YAML file."""
    text = read_text(file)
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        fail_at(file, line, f"not YAML: {error.problem or error.context}")
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        fail_at(file, line, f"not YAML: {error.reason} (character {error.character:#04x})")
    if not isinstance(root, yaml.MappingNode):
        fail_at(file, 1, "not a platform description: expected keys and values")
    reader = _TreeReader(file)
    values = reader.read(root, ())
    assert isinstance(values, dict)
    return Description(values, reader.places)


def merge(base: Description, change: Description) -> Description:
    """Lay `change` over `base`: mappings merge key by key, null removes, all else replaces."""
    places = dict(base.places)
    values = _merge_mapping(base.values, change, (), places)
    places[()] = change.places[()]
    return Description(values, places)


def _merge_mapping(
    base: dict[str, Any], change: Description, key: Key, places: dict[Key, Place]
) -> dict[str, Any]:
    merged = dict(base)
    new_values: Any = change.values
    for part in key:
        new_values = new_values[part]
    for name, value in new_values.items():
        here = (*key, name)
        old = merged.get(name)
        if isinstance(old, dict) and isinstance(value, dict):
            merged[name] = _merge_mapping(old, change, here, places)
            places[here] = change.places[here]
            continue
        for stale in [place for place in places if place[: len(here)] == here]:
            del places[stale]
        if value is None:
            merged.pop(name, None)
            continue
        merged[name] = value
        places.update(
            {place: at for place, at in change.places.items() if place[: len(here)] == here}
        )
    return merged


@dataclass(slots=True)
class _TreeReader:
    """Turns YAML nodes into values; refuses what would be silently lost or misread."""

    file: Path
    places: dict[Key, Place] = field(default_factory=dict)
    _seen: set[int] = field(default_factory=set)
    _scalars: yaml.constructor.SafeConstructor = field(
        default_factory=yaml.constructor.SafeConstructor
    )

    def read(self, node: yaml.Node, key: Key) -> Any:  # noqa: ANN401
        # The composer hands out the same node again for an alias, which may contain itself.
        if id(node) in self._seen:
            self._fail(node, key, "YAML aliases (*name) are not supported; write the value out")
        self._seen.add(id(node))
        self.places.setdefault(key, Place(self.file, node.start_mark.line + 1))
        if isinstance(node, yaml.MappingNode):
            return self._read_mapping(node, key)
        if isinstance(node, yaml.SequenceNode):
            return [self.read(child, (*key, index)) for index, child in enumerate(node.value)]
        try:
            return self._scalars.construct_object(node)
        except (yaml.constructor.ConstructorError, ValueError):
            self._fail(node, key, f"cannot read {node.value!r} as {node.tag}")

    def _read_mapping(self, node: yaml.MappingNode, key: Key) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name_node, value_node in node.value:
            name = name_node.value
            if not (isinstance(name_node, yaml.ScalarNode) and _KEY.fullmatch(name)):
                shown = repr(name) if isinstance(name, str) else "lists or mappings"
                self._fail(name_node, key, f"keys must be plain words, not {shown}")
            here = (*key, name)
            if name in values:
                first = self.places[here].line
                self._fail(name_node, here, f"duplicate key (first on line {first})")
            self.places[here] = Place(self.file, name_node.start_mark.line + 1)
            values[name] = self.read(value_node, here)
        return values

    def _fail(self, node: yaml.Node, key: Key, problem: str) -> NoReturn:
        text = key_text(key)
        line = node.start_mark.line + 1
        fail_at(self.file, line, f"{text}: {problem}" if text else problem, key=text or None)

"""Puts pip into the environment that runs this, where Python came without ensurepip.

A wheel of pip can be run as it is and so can install itself. It comes from the system's own wheels
(Debian keeps some), or from the package index that PIP_INDEX_URL or a pip.conf names. Nothing but
the standard library.
"""

from __future__ import annotations

import configparser
import hashlib
import os
import re
import ssl
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from html.parser import HTMLParser
from pathlib import Path

_TIMEOUT_S = 60
_WHEEL = re.compile(r"/pip-(\d+(?:\.\d+)*)-py3-none-any\.whl$")


class _Links(HTMLParser):
    """The wheels on an index page (PEP 503), by version, with their pages' addresses."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[tuple[int, ...], str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        address = values.get("href") or ""
        wheel = _WHEEL.search(urllib.parse.urlsplit(address).path)
        if tag == "a" and wheel and _fits(values.get("data-requires-python") or ""):
            version = tuple(int(part) for part in wheel[1].split("."))
            self.found.append((version, address))


def _fits(requirement: str) -> bool:
    """Say whether this Python meets ">=3.9"; pip has never had another kind of bound."""
    bound = re.fullmatch(r">=\s*(\d+)\.(\d+)", requirement.strip())
    return bound is None or sys.version_info >= (int(bound[1]), int(bound[2]))


def _download(address: str) -> bytes:
    context = ssl.create_default_context(cafile=os.environ.get("PIP_CERT") or None)
    with urllib.request.urlopen(address, timeout=_TIMEOUT_S, context=context) as answer:
        data: bytes = answer.read()
        return data


def _configured_index() -> str | None:
    """The package index that pip itself would be told of."""
    if os.environ.get("PIP_INDEX_URL"):
        return os.environ["PIP_INDEX_URL"]
    home = Path.home()
    files = [os.environ.get("PIP_CONFIG_FILE", ""), home / ".config/pip/pip.conf"]
    files += [home / ".pip/pip.conf", "/etc/xdg/pip/pip.conf", "/etc/pip.conf"]
    settings = configparser.RawConfigParser()
    for file in filter(None, files):
        try:
            settings.read(file, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError):
            continue
        if settings.has_option("global", "index-url"):
            return settings.get("global", "index-url")
    return None


def _system_wheel() -> Path | None:
    """The newest wheel of pip that the distribution has installed."""
    wheels = list(Path("/usr/share/python-wheels").glob("pip-*-py3-none-any.whl"))
    return max(wheels, key=lambda wheel: wheel.stat().st_mtime, default=None)


def _fetch_pip() -> tuple[str, bytes]:
    system = _system_wheel()
    if system is not None:
        return system.name, system.read_bytes()
    index = _configured_index()
    if index is None:
        sys.exit(
            "this Python has neither pip nor ensurepip, and no PIP_INDEX_URL says where one is"
        )
    page = f"{index.rstrip('/')}/pip/"
    links = _Links()
    links.feed(_download(page).decode())
    if not links.found:
        sys.exit(f"{page} has no pip for this Python")
    address = urllib.parse.urljoin(page, max(links.found)[1])
    parts = urllib.parse.urlsplit(address)
    data = _download(address)
    promised = urllib.parse.parse_qs(parts.fragment).get("sha256")
    if promised and hashlib.sha256(data).hexdigest() != promised[0]:
        sys.exit(f"{address} is damaged: its SHA-256 is not {promised[0]}")
    return Path(parts.path).name, data


def main() -> None:
    """Find a pip and let it install itself."""
    try:
        name, data = _fetch_pip()
    except (urllib.error.URLError, TimeoutError) as exc:
        sys.exit(f"cannot fetch pip: {exc} (no network, or no ca-certificates?)")
    with tempfile.TemporaryDirectory() as folder:
        wheel = Path(folder, name)
        wheel.write_bytes(data)
        command = [sys.executable, str(wheel / "pip"), "install", "-qq", str(wheel)]
        sys.exit(subprocess.run(command, check=False).returncode)


if __name__ == "__main__":
    main()

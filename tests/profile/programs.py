"""Programs for the tests of profiles."""

from __future__ import annotations

from firmware import DATA, build, build_alone, compile_c, link

__all__ = ["DATA", "build", "build_alone", "compile_c", "mixed", "stripped"]


def mixed() -> bytes:
    return build((DATA / "mixed.c").read_text(encoding="utf-8"), "mixed.c")


def stripped() -> bytes:
    """mixed() without symbols and debug information."""
    source = (DATA / "mixed.c").read_text(encoding="utf-8")
    startup = (DATA / "startup.c").read_text(encoding="utf-8")
    objects = (compile_c(source, "mixed.c"), compile_c(startup, "startup.c"))
    return link(objects, (DATA / "flash.ld").read_text(encoding="utf-8"), "--strip-all")

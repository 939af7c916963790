"""Profiles of bare-metal programs: read an ELF executable, run it, say where its cycles went."""

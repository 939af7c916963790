"""`python -m usim` is the `usim` command."""

from usim.cli import main

main()

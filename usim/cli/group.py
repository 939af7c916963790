"""A click group that loads its commands late and turns errors into one line and an exit code."""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from usim.errors import CompileError, UsimError

if TYPE_CHECKING:
    from collections.abc import Mapping

_INTERRUPTED = 130  # 128 + SIGINT, as shells report it
_LOG = logging.getLogger("usim")


class CommandGroup(click.Group):
    """Commands by name: `"run": ("usim.cli.run:run", "what it does")`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        self._by_name: Mapping[str, tuple[str, str]] = kwargs.pop("commands_by_name")
        super().__init__(*args, **kwargs)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the table's order."""
        return [*self._by_name, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command's module and return the command."""
        if cmd_name not in self._by_name:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = self._by_name[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that was asked for, or name those that there are."""
        known = self.list_commands(ctx)
        if args and args[0] not in known and not args[0].startswith("-"):
            ctx.fail(f"no command is called {args[0]!r}; there are: {', '.join(known)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them: `--help` must be quick."""
        rows = [(name, summary) for name, (_, summary) in self._by_name.items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401
        """Run the command; what goes wrong is said in a line on stderr."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result
        except UsimError as exc:
            _explain(exc)
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            ctx.exit(_INTERRUPTED)
        except BrokenPipeError:
            # Whoever read us (`| head`) has enough. Python would complain when it flushes.
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except OSError as exc:
            # A file of the user's, or a full disk: what and why is all there is to say.
            subject = f"{exc.filename}: " if exc.filename else ""
            _explain(UsimError(f"{subject}{exc.strerror or exc}"), cause=exc)
        return ctx.exit(1)


def write_log_to_stderr(verbosity: int) -> None:
    """Send usim's log to stderr: warnings, with 1 information too, with 2 all."""
    level = {0: logging.WARNING, 1: logging.INFO}.get(verbosity, logging.DEBUG)
    handler = logging.StreamHandler(sys.stderr)
    detailed = "%(relativeCreated)d ms %(name)s %(levelname)s: %(message)s"
    handler.setFormatter(logging.Formatter(detailed if verbosity > 1 else "%(message)s"))
    # Replaced and not added: the command may be called twice in a process, as tests do.
    _LOG.handlers[:] = [handler]
    _LOG.setLevel(level)
    _LOG.propagate = False


def _explain(error: UsimError, cause: BaseException | None = None) -> None:
    _LOG.debug("this error came from:", exc_info=cause or error)
    compiler_output = vars(error).get("output", "") if isinstance(error, CompileError) else ""
    if compiler_output:
        # Its own words, with the marked source line; ours is last, where it is seen.
        click.echo(compiler_output.rstrip(), err=True)
    click.echo(f"error: {error}", err=True)

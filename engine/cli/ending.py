"""How a command line ends: every outcome has its exit code (interface.md §3), and nobody is shown a traceback."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import click

from engine.cli.door import Door
from engine.errors import DefinitionsInError, EngineError

USAGE, INTERRUPTED = 64, 130
# Failures of the machine that the engine raises from: their first line names a file or a limit, never a record.
_TOLD = ("IOException", "FatalException", "OutOfMemoryException")


def ended_calmly(command: click.Command, arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code. What is said goes to stderr."""
    door = Door(Path())
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show Thai gets escapes, not a failure in the middle of a report.
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="backslashreplace")
    try:
        code = command.main(args=None if arguments is None else list(arguments), prog_name="engine", standalone_mode=False, obj=door)
        return code if isinstance(code, int) else 0
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return USAGE
    except click.ClickException as error:
        _say_usage(error)
        return USAGE
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - stays open until the process ends
        return 0
    except DefinitionsInError as error:
        _say_problems(error, door)
        return error.exit_code
    except EngineError as error:
        _say_failure(error, door)
        return error.exit_code
    except OSError as error:
        _say_os(error, door)
        return 1
    except Exception as error:
        _say_unexpected(error)
        return 1
    finally:
        _debug(sys.exc_info()[2])


def _say_usage(error: click.ClickException) -> None:
    from engine.views.escaping import for_terminal

    message = error.format_message()
    context = error.ctx if isinstance(error, click.UsageError) else None
    click.echo(f"error: {for_terminal(message[:1].lower() + message[1:])}", err=True)
    if context is not None:
        click.echo(f"  = help: `{context.command_path} --help` says how it is used", err=True)


def _say_failure(error: EngineError, door: Door) -> None:
    from engine.views.escaping import for_terminal

    click.echo(f"error: {door.mask(for_terminal(error.message))}", err=True)
    cause = error.__cause__
    if isinstance(cause, OSError) and cause.strerror:
        click.echo(f"  cause: {for_terminal(cause.strerror)}", err=True)
    elif cause is not None and type(cause).__name__ in _TOLD:
        click.echo(f"  cause: {door.mask(for_terminal(str(cause).splitlines()[0]))}", err=True)
    elif cause is not None and not isinstance(cause, EngineError):
        # Its words may hold a record's values; its kind does not.
        click.echo(f"  cause: {type(cause).__name__}", err=True)
    if error.help:
        click.echo(f"  = help: {for_terminal(error.help)}", err=True)


def _say_os(error: OSError, door: Door) -> None:
    """A file or a folder that cannot be used. The system's words name the path, never what is in it."""
    from engine.views.escaping import for_terminal

    with suppress(OSError):
        what = f"{error.filename} cannot be used" if error.filename else "a file, a folder or the output cannot be used"
        click.echo(f"error: {door.mask(for_terminal(what))}: {error.strerror or type(error).__name__}", err=True)
        click.echo("  = help: look at the path, its rights and the room on its disk", err=True)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()


def _say_problems(error: DefinitionsInError, door: Door) -> None:
    from engine.cli.telling import problems_text

    click.echo(door.mask(problems_text(error.problems, door.directory)), err=True, nl=False)


def _say_unexpected(error: Exception) -> None:
    """One line: the kind of failure and the place in the engine. The message itself may hold a person's data."""
    place = _deepest(error.__traceback__)
    click.echo(f"error: the engine failed where it should not ({type(error).__name__}{f' at {place}' if place else ''})", err=True)
    click.echo("  = help: ENGINE_DEBUG=1 shows the whole trace; it may hold personal data, so look before you share it", err=True)


def _deepest(trace: TracebackType | None) -> str:
    here = Path(__file__).parents[1]
    places = [(Path(frame.filename), frame.lineno) for frame in traceback.extract_tb(trace)]
    ours = [f"engine/{path.relative_to(here).as_posix()}:{line}" for path, line in places if path.is_relative_to(here)]
    return ours[-1] if ours else ""


def _debug(trace: TracebackType | None) -> None:
    if trace is not None and os.environ.get("ENGINE_DEBUG", "") not in ("", "0"):
        traceback.print_exc()

"""The door of one command: where the project is, what time it is, and what is said to stdout and to stderr."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from engine.errors import EngineError, WrongUsage

if TYPE_CHECKING:
    from engine.definitions.environments import ResolvedEnvironment
    from engine.runs.opening import Site
    from engine.views.ink import Ink

PROJECT_FILE = "engine.yaml"
# Wider lines are harder to read than to scroll.
WIDEST = 110
NARROWEST = 40
# A date, and then a time of day.
_TIMED = re.compile(r"[\dW-]+[Tt ]\d")


@dataclass
class Door:
    """Made once for a command line. Only here is the clock read."""

    directory: Path = Path()
    environment: str | None = None
    now_said: str | None = None
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    _site: Site | None = field(default=None, repr=False)
    _mask: Callable[[str], str] | None = field(default=None, repr=False)

    @cached_property
    def root(self) -> Path:
        """The project's folder. EngineError when it holds no engine.yaml."""
        if not self.directory.is_dir():
            raise EngineError(f"there is no folder {self.directory}", help="`-C DIR` names the project's folder")
        if not (self.directory / PROJECT_FILE).is_file():
            raise EngineError(
                f"there is no {PROJECT_FILE} in {self.directory.resolve()}",
                help="go to your project's folder, name it with `-C DIR`, or make one with `engine init`",
            )
        return self.directory.resolve()

    @cached_property
    def now(self) -> datetime:
        """This command's now, naive UTC in whole seconds: `--now`, else the present."""
        if self.now_said is None:
            return datetime.now(UTC).replace(tzinfo=None, microsecond=0)
        return instant(self.now_said, "--now")

    def stand_at(self, moment: str, option: str) -> datetime:
        """From here on the moment is this command's now; what was its now before."""
        before, self.now = self.now, instant(moment, option)
        self.now_said = moment
        return before

    def site(self) -> Site:
        """The project made ready: checked definitions, one environment, keys at hand."""
        if self._site is None:
            from engine.runs.opening import open_site

            self._site = open_site(self.root, self.environment, self.environ, self.now)
            self.remember(self._site.environment)
        return self._site

    def remember(self, environment: ResolvedEnvironment) -> None:
        """Whatever is said from now on holds none of the environment's secrets."""
        self._mask = environment.mask

    def mask(self, text: str) -> str:
        """The text without the values that the environment's variables brought."""
        return self._mask(text) if self._mask else text

    def command(self, words: str) -> str:
        """A command as this reader would write it, for the next step that a message names."""
        said = [f"-C {shlex.quote(str(self.directory))}"] if self.directory != Path() else []
        said += [f"--env {shlex.quote(self.environment)}"] if self.environment else []
        return " ".join(["engine", *said, words, *([f"--now {self.now_said}"] if self.now_said else [])])

    # --- saying ---------------------------------------------------------------------------------------------------

    @cached_property
    def width(self) -> int:
        """How many columns a line may have: the terminal's, but 40 at least; 80 where there is none."""
        import shutil

        return max(NARROWEST, min(shutil.get_terminal_size((80, 24)).columns, WIDEST))

    @cached_property
    def ink(self) -> Ink:
        """Colors for stdout where it is a terminal, plain text elsewhere."""
        from engine.views.ink import Ink

        return Ink(_is_terminal(sys.stdout) and not self.environ.get("NO_COLOR") and self.environ.get("TERM") != "dumb")

    def out(self, text: str) -> None:
        """Data, to stdout; the text ends with a newline."""
        _write(sys.stdout, text if text.endswith("\n") else text + "\n")

    def deliver(self, text: str, path: Path | None) -> None:
        """Data into a file where one is named, else to stdout."""
        if path is None:
            self.out(text)
            return
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise EngineError(f"{path} cannot be written: {error.strerror}", help="name a file in a folder that is there and may be written") from None
        self.say(f"written to {path}")

    def say(self, text: str) -> None:
        """A message, to stderr."""
        from engine.views.escaping import for_terminal

        _write(sys.stderr, for_terminal(text) + "\n")

    def say_age(self, copied_at: datetime | None, zone: str) -> None:
        """Say how old the ledger is when it was read from the copy that the last run left (interface.md §4)."""
        if copied_at is None:
            return
        from engine.views.phrases import moment

        minutes = max(0, round((datetime.now(UTC).replace(tzinfo=None) - copied_at).total_seconds() / 60))
        age = "less than a minute" if minutes == 0 else f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"
        self.say(f"note: a run holds the ledger; this is from the copy of {moment(copied_at, zone)}, {age} old")

    def refuse_pii(self, show_pii: bool) -> None:
        """`--show-pii` is refused in CI, whose logs are kept and shared; elsewhere it is said when the output goes into a file."""
        if not show_pii:
            return
        if self.environ.get("CI", "").strip().lower() not in ("", "0", "false", "no"):
            raise WrongUsage(
                "personal data is not shown where CI is set: its logs are kept, and read by many",
                help="leave out --show-pii (and the record of a preview); records are then shown as pseudonyms",
            )
        if not _is_terminal(sys.stdout):
            self.say("warning: the output has personal data; delete it when it is not needed any more")


def instant(text: str, option: str) -> datetime:
    """An instant with an offset as naive UTC in whole seconds. Raises WrongUsage, whose help names a moment that is accepted."""
    said = text.strip()
    try:
        moment = datetime.fromisoformat(said)
    except ValueError:
        raise WrongUsage(f"{option} {text!r} is not a moment", help="write it as 2026-01-05T09:00+07:00") from None
    if not _TIMED.match(said):
        # Python reads `2026-11-30+07:00` as seven o'clock.
        raise WrongUsage(f"{option} {text!r} is a day, and no time of it", help=f"write the moment as {moment.date()}T09:00+07:00")
    if moment.tzinfo is None:
        raise WrongUsage(f"{option} {text!r} has no offset, so nobody can tell when it is", help=f"write it as {said}+07:00, or with Z for UTC")
    try:
        return moment.astimezone(UTC).replace(tzinfo=None, microsecond=0)
    except OverflowError:
        raise WrongUsage(f"{option} {text!r} is out of range") from None


def _is_terminal(stream: IO[str] | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        return False


def _write(stream: IO[str] | None, text: str) -> None:
    """Write and flush. Where the reader has gone (`| head`, `>&-`) the rest is dropped quietly, and the exit code stays the command's.

    EngineError where it cannot be written for another reason, such as a full disk.
    """
    if stream is None:
        return
    try:
        click.echo(text, file=stream, nl=False, color=True)
        stream.flush()
    except BrokenPipeError:
        _discard(stream)
    except OSError as error:
        _discard(stream)
        raise EngineError(
            f"the output cannot be written: {error.strerror}", help="look at the disk that it goes to; what the command did is done, only its report is lost"
        ) from None


def _discard(stream: IO[str]) -> None:
    """What is still in the buffer goes nowhere, so that the end of the process does not stumble over it."""
    gone = os.open(os.devnull, os.O_WRONLY)
    os.dup2(gone, stream.fileno())
    os.close(gone)

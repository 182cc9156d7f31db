"""Processes to be killed, forked from one that has imported the engine: a life then costs no start of Python.

The one they are forked from is a process of its own (multiprocessing's fork server), never the one of the tests, which
has threads and open ledgers that no fork may carry over (reliability.md §3.8).
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

LONGEST_LIFE = 120.0
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.crash.warmed"])
Main = Callable[[Sequence[str]], None]


class Life:
    """A process that runs `main(words)`; what it says and complains of goes to files. `failpoint` is where it kills itself."""

    def __init__(self, folder: Path, number: int, main: Main, words: Sequence[str], *, failpoint: str = "", environ: Mapping[str, str] | None = None) -> None:
        folder.mkdir(exist_ok=True)
        self._out, self._err = folder / f"{number}.out", folder / f"{number}.err"
        settings = {"ENGINE_FAILPOINT": failpoint, **(environ or {})}
        self._process = _FORKS.Process(target=_begin, args=(main, tuple(words), settings, str(self._out), str(self._err)))
        self._process.start()
        self.pid = self._process.pid
        self._ended: int | None = None

    @property
    def said(self) -> str:
        return self._out.read_text() if self._out.exists() else ""

    @property
    def complained(self) -> str:
        return self._err.read_text() if self._err.exists() else ""

    def is_over(self) -> bool:
        return self._ended is not None or not self._process.is_alive()

    def wait_for_word(self) -> str:
        """Its first line, as soon as it is said."""
        until = time.monotonic() + LONGEST_LIFE
        while "\n" not in self.said:
            assert not self.is_over() and time.monotonic() < until, self.complained
            time.sleep(0.001)
        return self.said.partition("\n")[0]

    def end(self, seconds: float = LONGEST_LIFE) -> int:
        """Wait until it is over; its exit code, negative for a signal. One that takes longer than these seconds is killed."""
        if self._ended is None:
            self._process.join(seconds)
            if self._process.is_alive():
                self._process.kill()
                self._process.join()
            self._ended = self._process.exitcode
            self._process.close()
        assert self._ended is not None
        return self._ended

    def kill(self) -> None:
        if not self.is_over():
            self._process.kill()
        self.end()


KILLED = -signal.SIGKILL


def _begin(main: Main, words: Sequence[str], settings: Mapping[str, str], out: str, err: str) -> None:
    """In the new process: the two files, the environment, and the failpoint that an engine would have read at its start."""
    for path, number in ((out, 1), (err, 2)):
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(handle, number)
        os.close(handle)
    os.environ.update(settings)
    importlib.reload(sys.modules["engine.failpoints"])
    main(words)


def kill_at_random(
    begin: Callable[[], Life],
    written: Callable[[], int],
    kills: int,
    seed: int,
    *,
    buried: Callable[[], object] = lambda: None,
    within: float = 0.2,
) -> None:
    """Begin lives and kill each: a third of them before its first mail, judged by the life before, the others in so many seconds behind it.
    `buried` is called after each death."""
    chance, first_mail = random.Random(seed), 0.0
    for _ in range(kills):
        before, begun = written(), time.monotonic()
        life = begin()
        if first_mail and chance.random() < 1 / 3:
            time.sleep(chance.uniform(0.3, 1) * first_mail)
        else:
            while written() == before and not life.is_over():
                time.sleep(0.002)
            first_mail = time.monotonic() - begun
            time.sleep(chance.uniform(0, within))
        life.kill()
        buried()


@contextmanager
def receiver(folder: Path, log: Path, *faults: str) -> Iterator[str]:
    """The port of a mail server in a process of its own, which writes what it accepts to `log` (see tests/smtp_server.py)."""
    life = Life(folder / "receiver", 0, _receive, (str(log), *faults))
    try:
        yield life.wait_for_word()
    finally:
        life.kill()


def _receive(words: Sequence[str]) -> None:
    from tests.smtp_server import serve

    # Until it is killed; and not longer than the tests, should these be killed.
    parent = multiprocessing.parent_process()
    serve(words, until=parent.join if parent else sys.stdin.read)


def engine_command(words: Sequence[str]) -> None:
    """`engine WORDS`, ended as the command ends."""
    from engine.cli import main

    sys.argv = ["engine", *words]
    with suppress(BrokenPipeError):
        main()

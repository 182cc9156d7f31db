"""The outbox: each mail an .eml file of a folder, and pages to look at them. Nothing leaves the house.

A file is named by its send key, so a mail that is delivered twice is still one file: the transport is idempotent, and a
crash leaves no doubt.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from engine.delivery.failures import SettingsFailure
from engine.delivery.outbox_pages import write_pages
from engine.delivery.transport import Outcome
from engine.failpoints import failpoint
from engine.ledger.records import LONGEST_SEND
from engine.messages.message import Message

_KEY = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class OutboxTransport:
    """Writes a temporary file, syncs it, and after the commit point gives it its name: all of a mail is there, or none."""

    name = "outbox"
    idempotent = True
    # A file stays a file; the ledger adds this to an instant, so it is a long time and not for ever.
    key_ttl_seconds = 10 * 365 * 24 * 3600
    leaves_the_house = False

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise _not_writable(error) from None
        _remove_left(folder)

    def may_write_to(self, recipient: str) -> bool:
        """A file is no recipient: every address may be written to."""
        return True

    def deliver(self, message: Message, commit_point: Callable[[str], None]) -> Outcome:
        if not _KEY.fullmatch(message.send_key):
            return Outcome(message.send_key, "failed", "message", text="E606: the send key is not a UUID")
        path, temporary = self.folder / f"{message.send_key}.eml", self.folder / f".{message.send_key}.tmp"
        try:
            with temporary.open("wb") as file:
                file.write(message.payload)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise _not_writable(error) from None
        try:
            commit_point(message.send_key)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        failpoint("FP8")
        try:
            temporary.rename(path)
        except OSError as error:
            raise _not_writable(error) from None
        failpoint("FP9")
        failpoint("FP10")
        return Outcome(message.send_key, "sent", "written")

    def close(self) -> None:
        """Bring the pages up to date. They are a view: one that cannot be written loses no mail."""
        if self._handle < 0:
            return
        handle, self._handle = self._handle, -1
        try:
            # The names of all mails are synced once: a sync of the folder for each would double the time of a run.
            os.fsync(handle)
        except OSError as error:
            raise _not_writable(error) from None
        finally:
            os.close(handle)
        try:
            write_pages(self.folder)
        except OSError as error:
            raise _not_writable(error) from None


def _remove_left(folder: Path) -> None:
    """Remove what a dead process had half written; a young one is another worker's, who is just writing it."""
    for left in folder.glob(".*.tmp"):
        with suppress(FileNotFoundError):
            if time.time() - left.stat().st_mtime > LONGEST_SEND.total_seconds():
                left.unlink()


def delivered_keys(folder: Path) -> tuple[str, ...]:
    """The send keys of the mails that are in an outbox."""
    return tuple(sorted(path.stem for path in folder.glob("*.eml") if _KEY.fullmatch(path.stem)))


def remove_mails(folder: Path, keys: Iterable[str]) -> int:
    """Take mails and their pages out of an outbox, durably; how many mails were there."""
    removed = 0
    try:
        for key in keys:
            for name in (f"{key}.eml", f"{key}.html", f".{key}.tmp"):
                path = folder / name
                if path.exists():
                    path.unlink()
                    removed += name.endswith(".eml")
        if folder.is_dir():
            write_pages(folder)
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
    except OSError as error:
        raise _not_writable(error) from None
    return removed


def _not_writable(error: OSError) -> SettingsFailure:
    return SettingsFailure(f"the outbox cannot be written: {error.strerror or type(error).__name__}", help="look at the folder and the disk")

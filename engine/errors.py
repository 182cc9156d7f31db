"""What the world did: exceptions whose class decides what happens next. Nobody reads `str(error)` to decide."""

from __future__ import annotations

from collections.abc import Sequence

from engine.problems import Problem


class EngineError(Exception):
    """A failure with a message for a person and the exit code of interface.md §3."""

    exit_code = 1

    def __init__(self, message: str, *, help: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.help = help


class DefinitionsInError(EngineError):
    """The definitions (or the facts they map) have problems; nothing was done."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(f"{len(problems)} problem(s)")
        self.problems = tuple(problems)


class WrongUsage(EngineError):
    """The command line asks for something that cannot be asked (exit 64)."""

    exit_code = 64


class GuardBlocks(EngineError):
    """A guard about the project or the facts is over its limit: nothing was written (exit 3)."""

    exit_code = 3


class LockHeld(EngineError):
    """Another run holds the ledger; the message names it (exit 5)."""

    exit_code = 5


class LedgerRefused(EngineError):
    """The ledger is missing, older, newer, damaged, or of another project or environment (exit 7)."""

    exit_code = 7


class FactsUnreadable(EngineError):
    """The CRM cannot be read: not there, no rights, or a table that does not fit the map."""


class DeliveryFailure(EngineError):
    """A transport could not hand a message over; the subclasses say whether trying again is safe."""


class TemporaryFailure(DeliveryFailure):
    """Definitely not accepted; a later attempt may succeed."""


class PermanentFailure(DeliveryFailure):
    """Definitely not accepted, and it never will be."""


class OutcomeUnknown(DeliveryFailure):
    """Nobody can tell whether the message was accepted; it is never repeated by itself."""

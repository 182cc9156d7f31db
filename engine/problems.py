"""What is wrong with the user's files: values with a place and a way out, all shown at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, order=True)
class Origin:
    """A place in a file: path relative to the project, line and column from 1, and how many characters it spans."""

    file: str
    line: int = 1
    column: int = 1
    length: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake of the user. `code` is explained at length by `engine explain CODE`.

    E1xx form, E2xx references and variables, E3xx rules and types, E4xx facts, E5xx guards, E6xx delivery.
    `related` names the other places that a reader must see (a reference that fails shows both).
    """

    code: str
    message: str
    origin: Origin | None = None
    help: str = ""
    related: tuple[tuple[Origin, str], ...] = ()
    severity: Literal["error", "warning"] = "error"

    @property
    def sort_key(self) -> tuple[str, int, int, str, str]:
        origin = self.origin or Origin("", 0, 0)
        return (origin.file, origin.line, origin.column, self.code, self.message)

"""Names of tables and columns: how they are quoted, and how the map's name finds the source's."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def quoted(name: str) -> str:
    """A name as an identifier of DuckDB and Postgres.

    >>> quoted('or"der')
    '"or""der"'
    """
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text where no parameter can be bound (ATTACH, SET).

    >>> literal("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"


def find(name: str, known: Iterable[str]) -> str | None:
    """The known name that is meant: the same, else the only one that differs in case.

    >>> find("email", ["Email", "Id"])
    'Email'
    """
    names = list(known)
    if name in names:
        return name
    alike = [other for other in names if other.casefold() == name.casefold()]
    return alike[0] if len(alike) == 1 else None


def suggestion(name: str, known: Iterable[str]) -> str:
    """`did you mean …?`, or what there is.

    >>> suggestion("emial", ["email", "id"])
    'did you mean `email`?'
    """
    names = sorted(set(known))
    folded = {other.casefold(): other for other in names}
    close = get_close_matches(name.casefold(), folded, n=1, cutoff=0.6)
    if close:
        return f"did you mean `{folded[close[0]]}`?"
    if not names:
        return ""
    shown = ", ".join(f"`{other}`" for other in names[:12])
    return f"there is {shown}" + (" and more" if len(names) > 12 else "")

"""Every code of the engine with its title and long text, gathered from the floors below."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from engine.problem_codes import CODES


@lru_cache(maxsize=1)
def all_codes() -> Mapping[str, tuple[str, str]]:
    """Code to (title, long text), sorted by code."""
    from engine.messages.codes import CODES as MESSAGE_CODES

    return dict(sorted({**CODES, **MESSAGE_CODES}.items()))


def title_of(code: str) -> str:
    """The short name of a code; the code itself where nothing is known of it."""
    return all_codes().get(code, (code, ""))[0]


def explained(code: str, width: int = 100) -> str | None:
    """What `engine explain CODE` prints; None for what is no code.

    >>> print(explained("E311").splitlines()[0])
    E311: the step's time does not fit the trigger
    """
    import textwrap

    found = all_codes().get(code.upper())
    if found is None:
        return None
    return f"{code.upper()}: {found[0]}\n\n{textwrap.fill(found[1], width)}\n"

"""What `doctor` found, in the order in which things build on each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from engine.views.escaping import one_line, to_json
from engine.views.ink import PLAIN, Ink
from engine.views.phrases import counted, wrapped
from engine.views.plan_json import FORMAT_VERSION


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; `mend` says what to do where it is not good."""

    what: str
    state: Literal["good", "note", "bad"]
    says: str
    mend: str = ""


def as_json(found: Sequence[Finding]) -> str:
    rows = [{"what": one.what, "state": one.state, "message": one.says, "help": one.mend or None} for one in found]
    return to_json({"format_version": FORMAT_VERSION, "kind": "doctor", "healthy": all(one.state != "bad" for one in found), "findings": rows}, indent=1) + "\n"


def as_text(found: Sequence[Finding], *, width: int = 80, ink: Ink = PLAIN) -> str:
    lines: list[str] = []
    marks = {"good": ink.good("ok  "), "note": ink.warn("note"), "bad": ink.bad("BAD ")}
    for one in found:
        text = wrapped(one_line(one.says), width - 20)
        lines.append(f"{marks[one.state]}  {one.what:<12}  {text[0]}")
        lines += [" " * 20 + line for line in text[1:]]
        if one.mend:
            lines += wrapped(one_line(one.mend), width, first=" " * 20 + "to mend: ", rest=" " * 22)
    bad = sum(one.state == "bad" for one in found)
    lines += ["", ink.bad(f"{counted(bad, 'thing')} to mend.") if bad else ink.good("All is well.")]
    return "\n".join(lines) + "\n"

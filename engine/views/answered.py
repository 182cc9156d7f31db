"""What a command that only did something says to a machine: a few facts under one head, as every answer has it."""

from __future__ import annotations

from engine.views.escaping import to_json
from engine.views.plan_json import FORMAT_VERSION


def as_json(kind: str, **facts: object) -> str:
    """The facts in their order, below the version and the kind; each is text, a number, true, false, null, or a list or an object of them."""
    return to_json({"format_version": FORMAT_VERSION, "kind": kind, **facts}, indent=1) + "\n"

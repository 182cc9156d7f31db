"""Emphasis for a terminal: on or off for a whole text."""

from __future__ import annotations

from dataclasses import dataclass

from click import style


@dataclass(frozen=True)
class Ink:
    """Few colors with one meaning each: good is done, warn is look, bad is act; faint is beside the point."""

    on: bool = False

    def strong(self, text: str) -> str:
        return style(text, bold=True) if self.on else text

    def faint(self, text: str) -> str:
        return style(text, dim=True) if self.on else text

    def good(self, text: str) -> str:
        return style(text, fg="green") if self.on else text

    def warn(self, text: str) -> str:
        return style(text, fg="yellow") if self.on else text

    def bad(self, text: str) -> str:
        return style(text, fg="red", bold=True) if self.on else text


PLAIN = Ink(False)

"""Reports as one HTML file: no script, no network, light and dark, for a screen of any width and for paper."""

from __future__ import annotations

from functools import lru_cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template


@lru_cache(maxsize=4)
def page(name: str) -> Template:
    """A page of `pages/`. Autoescape is on for everything: names and texts come from a branch that nobody has read."""
    loader = PackageLoader("engine.views", "pages")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True).get_template(name)

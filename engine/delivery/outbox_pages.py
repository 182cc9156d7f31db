"""The outbox's pages: a list of the latest mails, and a page for each with its HTML in a sandbox and its text.

Every page is one file without scripts and without a network: its policy allows inline styles and nothing else, and the
mail's own HTML lives in a frame that may run nothing, load nothing and lead nowhere.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from engine.delivery.letters import Letter, read_letter

# Older mails stay as files; a page of ten thousand lines helps nobody.
SHOWN = 500


def write_pages(folder: Path) -> Path:
    """Write `index.html` and the pages of the latest mails that have none yet; the path of the index."""
    found = sorted(((entry.stat().st_mtime_ns, entry.name) for entry in os.scandir(folder) if entry.name.endswith(".eml")), reverse=True)
    rows: list[dict[str, Any]] = []
    for changed, name in found[:SHOWN]:
        payload = (folder / name).read_bytes()
        letter, key = read_letter(payload), name.removesuffix(".eml")
        page = folder / f"{key}.html"
        if not page.exists() or page.stat().st_mtime_ns < changed:
            _write(page, page_of(letter, key))
        rows.append({"key": key, "letter": letter})
    rows.sort(key=lambda row: (row["letter"].date, row["letter"].step, row["letter"].to), reverse=True)
    index = folder / "index.html"
    _write(index, _template("outbox.html").render(rows=rows, more=max(0, len(found) - SHOWN)))
    return index


def page_of(letter: Letter, key: str) -> str:
    """The page of one mail."""
    return _template("letter.html").render(letter=letter, key=key)


@lru_cache(maxsize=2)
def _template(name: str) -> Template:
    # Autoescape is on for everything, whatever the file's name: subjects and names come from the CRM.
    loader = PackageLoader("engine.delivery", "pages")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.get_template(name)


def _write(path: Path, page: str) -> None:
    # Several workers may write the same page: each under a name of its own.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_text(page, encoding="utf-8")
    temporary.rename(path)

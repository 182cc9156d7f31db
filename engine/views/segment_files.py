"""Members as a file for other programs: CSV, JSON, Excel. No cell is a formula, whatever the CRM holds."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from engine.errors import EngineError
from engine.views.escaping import to_json
from engine.views.plan_json import FORMAT_VERSION

# A sheet obeys a text that begins with one of these.
_OBEYED = ("=", "+", "-", "@", "\t", "\r")


def as_csv(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Text cells that a sheet would obey get a quote in front, as sheets write them themselves.

    >>> as_csv(["key", "name"], [["7", "=1+1"]])
    "key,name\\r\\n7,'=1+1\\r\\n"
    """
    written = io.StringIO(newline="")
    writer = csv.writer(written)
    writer.writerow(head)
    for row in rows:
        writer.writerow(["" if value is None else f"'{value}" if isinstance(value, str) and value.startswith(_OBEYED) else value for value in row])
    return written.getvalue()


def as_json(segment: str, entity: str, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    members = [dict(zip(head, row, strict=True)) for row in rows]
    return to_json({"format_version": FORMAT_VERSION, "kind": "segment_export", "segment": segment, "entity": entity, "members": members}, indent=1) + "\n"


def as_xlsx(segment: str, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """A workbook with one sheet; every text is typed as text and marked so, also after somebody edits the cell."""
    try:
        from openpyxl import Workbook
        from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
    except ImportError:
        raise EngineError("Excel files need openpyxl", help="pip install 'campaigns-as-code[excel]'") from None
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = segment[:31]
    for number, row in enumerate([head, *rows], 1):
        for column, value in enumerate(row, 1):
            if value is None:
                continue
            if not isinstance(value, str):
                sheet.cell(number, column, value)
                continue
            cell = sheet.cell(number, column)
            cell.value = ILLEGAL_CHARACTERS_RE.sub("\ufffd", value)[:32767]
            cell.data_type = "s"
            cell.quotePrefix = value.startswith(_OBEYED)
    for column in sheet.columns:
        sheet.column_dimensions[column[0].column_letter].width = min(40, max(len(str(cell.value or "")) for cell in column) + 2)
    sheet.freeze_panes = "A2"
    written = io.BytesIO()
    book.save(written)
    return written.getvalue()

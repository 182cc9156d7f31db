"""Keys of records out of a file that somebody has: CSV, JSON, Excel, or one a line."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import EngineError, WrongUsage

_LARGEST = 50_000_000


@dataclass(frozen=True)
class Named:
    """A key (or another value that names a record), and where it was said: `line 12`, or nothing for the command line."""

    key: str
    place: str


def named_in(file: str, column: str = "key") -> list[Named]:
    """What the column of the file holds, blanks left out. WrongUsage for a file that cannot be understood."""
    return [one for one in entries_in(file, column) if one.key]


def entries_in(file: str, column: str = "key") -> list[Named]:
    """Every row or entry of the file, also those with nothing in the column. WrongUsage for a file that cannot be understood."""
    path = Path(file)
    try:
        if path.stat().st_size > _LARGEST:
            raise WrongUsage(f"{file} has more than {_LARGEST // 1_000_000} MB", help="take the columns out that are not needed, or split it")
        raw = path.read_bytes()
    except OSError as error:
        raise EngineError(f"{file} cannot be read: {error.strerror}") from None
    kind = path.suffix.lower()
    if kind == ".xlsx":
        return _of_rows(_sheet(raw, file), column, file, "row")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise WrongUsage(f"{file} is not UTF-8", help="save it as UTF-8 (in Excel: CSV UTF-8), or as .xlsx") from None
    if kind == ".json":
        return _of_json(text, column, file)
    if kind == ".csv":
        try:
            return _of_rows(list(csv.reader(io.StringIO(text, newline=""), strict=True)), column, file, "line")
        except csv.Error as error:
            raise WrongUsage(f"{file} is not CSV: {error}", help="save it as CSV in UTF-8") from None
    return [Named(line.strip(), f"line {number}") for number, line in enumerate(text.splitlines(), 1) if line.strip()]


def _of_rows(rows: list[list[Any]], column: str, file: str, word: str) -> list[Named]:
    # An empty line is no row; of one that is too short nothing is known.
    filled = [(number, row) for number, row in enumerate(rows, 1) if any(_said(cell) for cell in row)]
    head = filled[0][1] if filled else []
    if column not in head:
        raise WrongUsage(
            f"{file} has no column `{column}`; its first {word} has {_columns(head)}", help=_divided(head) or f"call the column that has them `{column}`"
        )
    place = head.index(column)
    return [Named(_said(row[place]) if len(row) > place else "", f"{word} {number}") for number, row in filled[1:]]


def _columns(head: list[Any]) -> str:
    """How many there are. What stands in a first row without names is a person's, and is not said again."""
    count = sum(1 for cell in head if _said(cell))
    return "nothing" if not count else "1 column" if count == 1 else f"{count:,} columns"


def _divided(head: list[Any]) -> str:
    """What to do about a row that is not divided by commas; nothing for one that is."""
    sign = next((word for sign, word in ((";", "`;`"), ("\t", "tabs")) if len(head) == 1 and sign in str(head[0])), "")
    return f"its cells are divided by {sign}: save it with commas, or as .xlsx" if sign else ""


def _of_json(text: str, column: str, file: str) -> list[Named]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise WrongUsage(f"{file} is not JSON") from None
    members = data.get("members") if isinstance(data, dict) else data
    if not isinstance(members, list):
        raise WrongUsage(
            f"{file} has no list of members", help=f"write a list of keys, or of objects with a `{column}`; `segment export --format json` writes one"
        )
    named = []
    for number, member in enumerate(members, 1):
        value = member.get(column) if isinstance(member, dict) else member
        if isinstance(value, dict | list):
            raise WrongUsage(f"entry {number} of {file} is no key")
        named.append(Named(_said(value), f"entry {number}"))
    return named


def _said(value: Any) -> str:
    """A cell as a key: 12.0 of a sheet is 12, and the quote that keeps a formula from being one is not part of it."""
    if value is None or isinstance(value, bool):
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value).strip()
    return text[1:] if text[:1] == "'" and text[1:2] in ("=", "+", "-", "@", "\t", "\r") else text


def _sheet(raw: bytes, file: str) -> list[list[Any]]:
    """The first sheet, formulas as the values that they had when it was saved."""
    try:
        from python_calamine import CalamineError, CalamineWorkbook
    except ImportError:
        raise EngineError("Excel files need python-calamine", help="pip install 'campaigns-as-code[excel]'") from None
    try:
        return CalamineWorkbook.from_filelike(io.BytesIO(raw)).get_sheet_by_index(0).to_python(skip_empty_area=False)
    except (CalamineError, OSError, ValueError, IndexError):
        raise WrongUsage(f"{file} is not an Excel workbook that can be read", help="save it as .xlsx, or as CSV in UTF-8") from None

"""The members of a static segment as text: keys put in and taken out of its YAML, or of the CSV file beside it."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Sequence

from engine.definitions.base import RecordKey
from engine.definitions.editing import CannotEdit, rewritten
from engine.definitions.yaml_reader import read_yaml
from engine.definitions.yaml_writing import as_flow


def yaml_with(text: str, keys: Sequence[str], *, file: str) -> str:
    """The segment's YAML with more members, each a line (or a word in brackets) more.

    >>> print(yaml_with("id: vip\\nmembers:\\n  - 12 # Lotus\\n", ["17", "x-1"], file="vip.yaml"), end="")
    id: vip
    members:
      - 12 # Lotus
      - 17
      - x-1
    """
    data = read_yaml(file, text.removeprefix("\ufeff").encode()).data
    listed = list(data["members"])
    as_text = bool(listed) and all(isinstance(one, str) for one in listed)
    return rewritten(text, {**data, "members": [*listed, *(key if as_text else _written(key) for key in keys)]}, file=file)


def yaml_list(keys: Sequence[str]) -> str:
    """The lines of a new list of members."""
    return "members:\n" + "".join(f"  - {as_flow(_written(key))}\n" for key in keys) if keys else "members: []\n"


def yaml_without(text: str, keys: Collection[str], *, file: str) -> str:
    """The segment's YAML without these members."""
    data = read_yaml(file, text.removeprefix("\ufeff").encode()).data
    return rewritten(text, {**data, "members": [one for one in data["members"] if str(one) not in keys]}, file=file)


def _written(key: str) -> RecordKey:
    """A key as a person writes it: a whole number without quotes where it is one."""
    return int(key) if key.isascii() and key.isdecimal() and len(key) < 19 and str(int(key)) == key else key


def csv_with(text: str, keys: Sequence[str]) -> str:
    """A CSV file with a column `key`, with more rows at its end; what else its columns are stays empty."""
    head = next(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")))
    place, ending = head.index("key"), "\r\n" if "\r\n" in text else "\n"
    written = io.StringIO(newline="")
    rows = csv.writer(written, lineterminator=ending)
    for key in keys:
        rows.writerow([key if column == place else "" for column in range(len(head))])
    return (text if text.endswith(("\n", "\r")) else text + ending) + written.getvalue()


def csv_without(text: str, keys: Collection[str], *, file: str) -> str:
    """A CSV file without the rows of these keys; all other rows stay as they are written. CannotEdit unless just these would be gone."""
    lines = list(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    reader = csv.reader(lines, strict=True)
    place = next(reader).index("key")
    before, kept = reader.line_num, lines[: reader.line_num]
    for cells in reader:
        if len(cells) <= place or cells[place] not in keys:
            # A cell may have several lines; where a row ends only its reader knows.
            kept += lines[before : reader.line_num]
        before = reader.line_num
    made = text[: text.startswith("\ufeff")] + "".join(kept)
    if _keys(made) != [key for key in _keys(text) if key not in keys]:
        raise CannotEdit(f"{file} cannot be edited by a command as it is written", help="edit it by hand")
    return made


def _keys(text: str) -> list[str]:
    """The column `key` as the loader reads it."""
    rows = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    place = next(rows, ["key"]).index("key")
    return list(dict.fromkeys(row[place] for row in rows if len(row) > place and row[place].strip()))

"""Facts from CSV, Parquet, JSON and Excel: the same records, the same snapshot, whatever the kind of file."""

from __future__ import annotations

import json
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet
import pytest

from engine.definitions.project import FilesFacts
from engine.errors import DefinitionsInError, FactsUnreadable
from engine.facts.needs import everything
from engine.facts.reading import read_snapshot, snapshot_of_rows
from engine.facts.snapshot import Snapshot
from tests.facts.maps import NOW, one, rows

ENTITY = "    {table: people, key: id, fields: {email: text, active: boolean, since: date, seen: timestamp, amount: decimal, visits: integer}}"
RECORDS: list[dict[str, Any]] = [
    {
        "id": 1, "email": "ana@example.com", "active": True, "since": date(2026, 1, 31), "seen": datetime(2026, 1, 5, 9, 30),
        "amount": Decimal("12.50"), "visits": 3,
    },
    {"id": 2, "email": "อนันต์, \"Bo\"\nสอง", "active": False, "since": None, "seen": None, "amount": None, "visits": None},
    {"id": 30, "email": None, "active": None, "since": date(1999, 12, 31), "seen": datetime(2026, 1, 5), "amount": Decimal("0.1"), "visits": 0},
]  # fmt: skip
NAMES = list(RECORDS[0])


def write(path: Path, records: list[dict[str, Any]] = RECORDS) -> Path:
    """The records as a file of the kind that its name says."""
    texts = [[("" if value is None else str(value)) for value in record.values()] for record in records]
    if path.suffix == ".csv":
        path.write_text("\n".join(",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in [NAMES, *texts]) + "\n")
    elif path.suffix == ".parquet":
        pyarrow.parquet.write_table(pa.Table.from_pylist(records), path)
    elif path.suffix == ".json":
        path.write_text(json.dumps(records, default=lambda value: float(value) if isinstance(value, Decimal) else str(value), ensure_ascii=False))
    elif path.suffix == ".jsonl":
        path.write_text("\n".join(json.dumps(record, default=str) for record in records))
    else:
        book = openpyxl.Workbook()
        sheet = book.create_sheet("People")
        sheet.append([])
        sheet.append(NAMES)
        for record in records:
            sheet.append(list(record.values()))
        book.save(path)
    return path


def read(folder: Path, entity: str = ENTITY, **files: str) -> Snapshot:
    found = one(entity)
    return read_snapshot(found, FilesFacts(files=files), now=NOW, root=folder, needs=everything(found))


@pytest.mark.parametrize("kind", ["csv", "parquet", "json", "jsonl", "xlsx"])
def test_every_kind_of_file_gives_the_same_snapshot(tmp_path: Path, kind: str) -> None:
    """Excel's floats are whole numbers again, its dates dates; quotes, commas, line ends and Thai are untouched."""
    write(tmp_path / f"people.{kind}")
    with read(tmp_path, people=f"people.{kind}") as snapshot, snapshot_of_rows(one(ENTITY), {"contact": RECORDS}, now=NOW) as same:
        assert rows(snapshot, "contact", "_key", *NAMES[1:4]) == [
            ("1", "ana@example.com", True, date(2026, 1, 31)),
            ("2", 'อนันต์, "Bo"\nสอง', False, None),
            ("30", None, None, date(1999, 12, 31)),
        ]
        assert snapshot.digest == same.digest


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("id;email\n1;ana@example.com\n2;b,c\n", [("1", "ana@example.com"), ("2", "b,c")]),
        ("\ufeffid,email\r\n007,x\r\n", [("007", "x")]),
        ("id,email\n", []),
        ("id,email\n#1,x\n-,y\n", [("#1", "x"), ("-", "y")]),
        ("ID\tEmail\n1\tx\n", [("1", "x")]),
        ("id,email\n,nobody\n5,x\n", [("5", "x")]),
    ],
)
def test_csv_as_it_comes(tmp_path: Path, text: str, expected: list[tuple[str, str]]) -> None:
    """Semicolons, tabs, a byte order mark, no rows, lines that look like comments; keys keep their zeros."""
    (tmp_path / "people.csv").write_text(text, newline="")
    with read(tmp_path, "    {table: people, key: id, fields: {email: text}}", people="people.csv") as snapshot:
        assert rows(snapshot, "contact", "_key", "email") == expected


def test_sql_over_files(tmp_path: Path) -> None:
    """The map's SQL sees every file as a table, in DuckDB's dialect; text is converted there."""
    (tmp_path / "people.csv").write_text("id,email\n1,ANA@EXAMPLE.COM\n2,b\n")
    (tmp_path / "gone.json").write_text('[{"id": 2}]')
    entity = "    {sql: select p.id, lower(email) as email from people p anti join gone g on p.id = g.id, key: id, fields: {email: text}}"
    with read(tmp_path, entity.replace("select", '"select').replace("g.id,", 'g.id",'), people="people.csv", gone="gone.json") as snapshot:
        assert rows(snapshot, "contact", "_key", "email") == [("1", "ana@example.com")]


def test_a_file_that_nobody_needs_is_not_opened(tmp_path: Path) -> None:
    """engine.yaml may name more than the map does."""
    write(tmp_path / "people.csv")
    read(tmp_path, people="people.csv", others="not-there.csv").close()


def test_wrong_values_are_counted(tmp_path: Path) -> None:
    """A date that is none stops the plan, wherever it stands."""
    (tmp_path / "people.csv").write_text("id,email,since\n1,x,31/12/2026\n2,y,2026-12-31\n3,z,12/31/2026\n")
    with pytest.raises(DefinitionsInError) as caught:
        read(tmp_path, "    {table: people, key: id, fields: {email: text, since: date}}", people="people.csv")
    (problem,) = caught.value.problems
    assert (problem.code, problem.message) == ("E404", "2 values of `contact.since` (2 of 3 records) do not fit `date`; the column is varchar")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("people.csv", b"id,email\n1,\xff\xfe\xfa\n"),
        ("people.csv", None),
        ("people.parquet", b"PAR1 but not really"),
        ("people.json", b"[{"),
        ("people.xlsx", b"PK\x03\x04 not a workbook"),
        ("people.ods", b"x"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str, content: bytes | None) -> None:
    """FactsUnreadable with the file and the table."""
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(FactsUnreadable) as caught:
        read(tmp_path, "    {table: people, key: id, fields: {email: text}}", people=name)
    assert name in caught.value.message
    assert "people" in caught.value.message


def test_a_missing_table_of_files(tmp_path: Path) -> None:
    """The map's table must be one of the names in engine.yaml."""
    write(tmp_path / "people.csv")
    with pytest.raises(DefinitionsInError) as caught:
        read(tmp_path, ENTITY.replace("people", "persons"), people="people.csv")
    assert [(p.code, p.help) for p in caught.value.problems] == [("E402", "there is `people`")]

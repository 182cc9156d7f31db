"""What fits a field's type, what does not, and what no value is: the same from every source."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.clock import to_utc
from engine.definitions.project import DuckdbFacts
from engine.errors import DefinitionsInError
from engine.facts.needs import everything
from engine.facts.reading import read_snapshot, snapshot_of_rows
from tests.facts.maps import NOW, one, rows
from tests.laws import cases


def typed(field: str, *values: Any, timezone: str = "") -> list[Any]:
    """What the values become as a field of this type."""
    zone = f", timezone: {timezone}" if timezone else ""
    found = one(f"    {{table: c, key: id, fields: {{email: text, x: {{type: {field}{zone}}}}}}}")
    given_rows = [{"id": f"{index:03}", "x": value} for index, value in enumerate(values)]
    with snapshot_of_rows(found, {"contact": given_rows}, now=NOW) as snapshot:
        return [value for (value,) in rows(snapshot, "contact", "x")]


def test_values_as_people_write_them() -> None:
    """Text from files and values from YAML become the same thing; blank is no value."""
    assert typed("integer", "12", " +12 ", "-3", "12.0", 12, 12.0, "", "  ", None) == [12, 12, -3, 12, 12, 12, None, None, None]
    assert typed("decimal", "12.50", ".5", "1e3", "-0", 0.1, Decimal("1.10"), " ") == [
        Decimal("12.5"), Decimal("0.5"), Decimal(1000), Decimal(0), Decimal("0.1"), Decimal("1.1"), None,
    ]  # fmt: skip
    assert typed("boolean", "true", "FALSE", "Yes", "no", "1", "0", True, False, 1, "", None) == [
        True, False, True, False, True, False, True, False, True, None, None,
    ]  # fmt: skip
    assert typed("date", "2026-12-31", date(2026, 1, 2), "2026-12-31T00:00:00", "2026-12-31 00:00", "0001-01-01") == [
        date(2026, 12, 31), date(2026, 1, 2), date(2026, 12, 31), date(2026, 12, 31), date(1, 1, 1),
    ]  # fmt: skip
    assert typed("date", "\t", " \u00a0\n") == typed("decimal", "\u3000", "\r\n") == typed("boolean", "\x1c", " ") == typed("timestamp", "\t", "\t ") == [None, None]
    assert typed("text", " as it is ", "", 12.0, True, date(2026, 1, 2)) == [" as it is ", "", "12", "true", "2026-01-02"]


def test_timestamps_are_naive_utc() -> None:
    """An offset is honored; without one it is UTC, or the field's timezone."""
    nine = datetime(2026, 1, 5, 9, 0)
    written = [
        "2026-01-05T09:00:00Z",
        "2026-01-05 09:00",
        "2026-01-05T16:00:00+07:00",
        "2026-01-05 16:00+0700",
        "2026-01-05 16:00 +07",
        "2026-01-05T09:00:00.000000 z",
    ]
    assert typed("timestamp", *written) == [nine] * len(written)
    assert typed("timestamp", "2026-01-05") == [datetime(2026, 1, 5)]
    assert typed("timestamp", "2026-01-05 16:00", "2026-01-05", "2026-01-05T09:00Z", "", None, timezone="Asia/Bangkok") == [
        nine, datetime(2026, 1, 4, 17), nine, None, None,
    ]  # fmt: skip


def test_5_5_wall_times_that_clocks_skip_or_repeat() -> None:
    """A skipped wall time is the first valid moment after it; a repeated one is the first of the two."""
    assert typed("timestamp", "2026-03-08 02:30", "2026-11-01 01:30", timezone="America/New_York") == [datetime(2026, 3, 8, 7), datetime(2026, 11, 1, 5, 30)]


@cases(0.5)
@given(
    st.lists(st.datetimes(datetime(1970, 1, 2), datetime(2100, 12, 30)), min_size=1, max_size=30),
    st.sampled_from(["America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Bangkok", "America/Santiago"]),
)
def test_5_5_the_joined_table_agrees_with_zoneinfo(walls: list[datetime], zone: str) -> None:
    """Every wall time of every zone is the instant that the clock module says."""
    near_changes = [
        datetime(2026, 4, 5, 1, 59),
        datetime(2026, 4, 5, 2, 0),
        datetime(2026, 10, 4, 2, 15),
        datetime(2011, 12, 30, 12),
        datetime(2026, 3, 8, 2, 59),
    ]
    assert typed("timestamp", *walls, *near_changes, timezone=zone) == [to_utc(wall, zone) for wall in walls + near_changes]


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("integer", ["12.5", "1,200", "twelve", "9223372036854775808", "0x10", True]),
        ("decimal", ["1,200.50", "1.2.3", "€5", "1e400", "inf"]),
        ("boolean", ["maybe", "2", "t", "on"]),
        ("date", ["31/12/2026", "2026-13-01", "2026-02-30", "2026-12-31T09:00", "tomorrow", "infinity", "epoch"]),
        ("timestamp", ["31/12/2026 09:00", "2026-12-31T25:00", "now", "2026-12-31T09", "2026-12-31T09:00+7"]),
    ],
)
def test_what_does_not_fit_is_counted_and_stops_the_plan(field: str, values: list[Any]) -> None:
    """E404 for each column, at the field, with how many; the values themselves are not shown."""
    for value in values:
        with pytest.raises(DefinitionsInError) as caught:
            typed(field, value, None, "")
        (problem,) = caught.value.problems
        assert (problem.code, problem.severity) == ("E404", "error")
        assert problem.message.startswith(f"1 value of `contact.x` (1 of 3 records) does not fit `{field}`"), problem.message
        assert str(problem.origin).startswith("definitions/crm.yaml:3:")
        assert len(str(value)) < 4 or str(value) not in problem.message


COLUMNS = [
    ("integer", "12.0::double", 12), ("integer", "'nan'::double", None), ("integer", "12::decimal(9,2)", 12), ("integer", "12::utinyint", 12),
    ("integer", "12::hugeint", 12), ("decimal", "1.5::double", Decimal("1.5")), ("decimal", "12::integer", Decimal(12)),
    ("decimal", "1.25::decimal(38,20)", Decimal("1.25")), ("boolean", "1::smallint", True), ("boolean", "0::decimal(3,0)", False),
    ("date", "timestamp '2026-01-02 00:00'", date(2026, 1, 2)), ("date", "timestamptz '2026-01-02 00:00+07'", date(2026, 1, 2)),
    ("timestamp", "date '2026-01-02'", datetime(2026, 1, 2)), ("timestamp", "timestamp_ns '2026-01-02 03:04:05'", datetime(2026, 1, 2, 3, 4, 5)),
    ("text", "12::integer", "12"), ("text", "12.00::decimal(9,2)", "12"), ("text", "0.10::decimal(9,2)", "0.1"), ("text", "12.0::double", "12"),
    ("text", "'b'::enum('a', 'b')", "b"), ("text", "true", "true"), ("text", "date '2026-01-02'", "2026-01-02"), ("date", "null", None),
    ("text", "100::decimal(9,0)", "100"),
]  # fmt: skip
MISFITS = [
    ("integer", "12.5::double"), ("integer", "12.5::decimal(9,2)"), ("integer", "date '2026-01-01'"), ("integer", "9223372036854775808::hugeint"),
    ("decimal", "true"), ("boolean", "2::integer"), ("boolean", "0.5::double"), ("date", "timestamp '2026-01-02 00:01'"),
    ("date", "timestamptz '2026-01-02 00:00+00'"), ("date", "12::integer"), ("timestamp", "12::integer"), ("text", "[1, 2]"), ("text", "'a'::blob"),
    ("text", "{'a': 1}"),
]  # fmt: skip


def of_column(tmp_path: Path, field: str, value: str) -> Any:
    with duckdb.connect(str(tmp_path / "crm.duckdb")) as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"create table c as select 1 as id, '' as email, {value} as x")
    found = one(f"    {{table: c, key: id, fields: {{email: text, x: {field}}}}}")
    with read_snapshot(found, DuckdbFacts(duckdb="crm.duckdb"), now=NOW, root=tmp_path, needs=everything(found)) as snapshot:
        return rows(snapshot, "contact", "x")[0][0]


@pytest.mark.parametrize(("field", "value", "expected"), COLUMNS)
def test_a_column_of_another_type_that_fits(tmp_path: Path, field: str, value: str, expected: Any) -> None:
    """A CRM's own types are taken where no meaning is lost; a moment at midnight is a date."""
    assert of_column(tmp_path, field, value) == expected


@pytest.mark.parametrize(("field", "value"), MISFITS)
def test_a_column_of_another_type_that_does_not_fit(tmp_path: Path, field: str, value: str) -> None:
    """Nothing is rounded, cut or guessed."""
    with pytest.raises(DefinitionsInError) as caught:
        of_column(tmp_path, field, value)
    assert [problem.code for problem in caught.value.problems] == ["E404"]


def test_rows_of_unknown_names_are_told() -> None:
    """A test that writes `emial` must not pass because the field had no value."""
    found = one("    {table: c, key: id, fields: {email: {type: text, column: mail}}}")
    with pytest.raises(DefinitionsInError) as caught:
        snapshot_of_rows(found, {"contact": [{"id": 1, "emial": "x"}], "contract": []}, now=NOW)
    assert [(p.code, p.message, p.help) for p in caught.value.problems] == [
        ("E403", "`contact` has no field `emial`", "did you mean `email`?"),
        ("E402", "`contract` is not an entity of the map", "did you mean `contact`?"),
    ]
    with snapshot_of_rows(found, {"contact": [{"id": 1, "email": "x"}, {"id": 2, "mail": "y"}, {"email": "z"}]}, now=NOW) as snapshot:
        assert rows(snapshot, "contact", "_key", "email") == [("1", "x"), ("2", "y")]
        assert snapshot.left_out == {"contact": 1}

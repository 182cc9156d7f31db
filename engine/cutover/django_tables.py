"""The e-mail tables of the Django CRM, as rows of text: read in one transaction that can write nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from engine.cutover.django_sqlite import SCHEME, opened_sqlite
from engine.definitions.crm import Entity
from engine.errors import EngineError
from engine.facts.names import quoted
from engine.facts.sandbox import open_sandbox, seal
from engine.facts.staging import NoTable

# The names under which a version of that CRM keeps each kind of row; the first that is there is read.
TABLES: Mapping[str, tuple[str, ...]] = {
    "template": ("crm_app_emailtemplate",),
    "sequence": ("crm_app_emailsequence",),
    "step": ("crm_app_emailsequencestep", "crm_app_sequencestep"),
    "enrollment": ("crm_app_sequenceenrollment",),
    "email": ("crm_app_sequenceemail", "crm_app_sequencestepexecution"),
    "segment": ("crm_app_customersegment",),
    "log": ("crm_app_emaillog",),
    "segment_contacts": ("crm_app_customersegment_static_contacts", "crm_app_customersegment_contacts"),
    "segment_companies": ("crm_app_customersegment_static_companies", "crm_app_customersegment_companies"),
}
# Without these there is nothing to take over.
_NEEDED = ("template", "sequence")


@dataclass(frozen=True, slots=True)
class Found:
    """One row. A value is asked for by the names that a column has had; blank is no value."""

    values: Mapping[str, str | None]

    def get(self, *names: str) -> str | None:
        for name in names:
            value = self.values.get(name)
            if value is not None and value.strip():
                return value
        return None

    def text(self, *names: str) -> str:
        return self.get(*names) or ""

    def yes(self, *names: str, otherwise: bool = True) -> bool:
        """A flag, or a status that says `active`."""
        value = self.get(*names)
        return otherwise if value is None else value.strip().lower() in ("true", "t", "1", "yes", "active")

    def number(self, *names: str) -> int:
        """A whole number; 0 where there is none."""
        value = (self.get(*names) or "0").strip()
        return int(float(value)) if value.lstrip("+-").replace(".", "", 1).isdigit() else 0

    @property
    def id(self) -> str:
        return self.text("id")


@dataclass(frozen=True)
class Tables:
    """All rows by kind, in the order of their ids; `missing` kinds have no table."""

    rows: Mapping[str, Sequence[Found]]
    missing: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)

    def of(self, kind: str) -> Sequence[Found]:
        return self.rows.get(kind, ())


Reading = Callable[[str], list[Found]]


def read_tables(url: str) -> Tables:
    """Everything in those tables of a Postgres database, or of an SQLite file. Raises FactsUnreadable, and EngineError where they are not there."""
    if url.startswith(SCHEME):
        with opened_sqlite(url) as file:
            return _read(lambda table: _found(*file.rows(table)))
    if url.startswith(("postgres://", "postgresql://")):
        return _of_postgres(url)
    raise EngineError("only a Postgres database or an SQLite file can be read", help="--url postgresql://user@host/database, or --url sqlite:///db.sqlite3")


def _of_postgres(url: str) -> Tables:
    from engine.facts.postgres import opened_postgres

    connection = open_sandbox()
    try:
        seal(connection)
        with opened_postgres(connection, url, None) as source:

            def read(table: str) -> list[Found]:
                entity = Entity(table=table, key="id", fields={})
                columns = list(source.columns(table, entity))
                relation = source.stage(table, entity, columns).relation
                shown = ", ".join(f"CAST({quoted(column)} AS VARCHAR)" for column in columns)
                return _found(columns, connection.execute(f"SELECT {shown} FROM {relation}").fetchall())

            return _read(read)
    finally:
        connection.close()


def _found(columns: Sequence[str], rows: Iterable[Sequence[str | None]]) -> list[Found]:
    return sorted((Found(dict(zip(columns, row, strict=True))) for row in rows), key=lambda row: (len(row.id), row.id))


def _read(read: Reading) -> Tables:
    rows: dict[str, list[Found]] = {}
    names: dict[str, str] = {}
    for kind, tables in TABLES.items():
        for table in tables:
            try:
                rows[kind], names[kind] = read(table), table
                break
            except NoTable:
                continue
    missing = tuple(TABLES[kind][0] for kind in TABLES if kind not in rows and not kind.startswith("segment_"))
    if any(kind not in rows for kind in _NEEDED):
        raise EngineError(
            f"the database has no {' and no '.join(f'`{TABLES[kind][0]}`' for kind in _NEEDED if kind not in rows)}",
            help="name the database of the Django CRM with --url, and a role that may read its tables",
        )
    return Tables(rows, missing, names)

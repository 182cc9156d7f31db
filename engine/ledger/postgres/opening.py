"""Making, migrating and refusing a ledger on Postgres (semantics 1.3, reliability.md §3.9)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg

from engine import __version__
from engine.errors import LedgerRefused
from engine.ledger.identity import CREATE, Identity, Stamp, refuse_stranger, refuse_version
from engine.ledger.ledger import LedgerBroken
from engine.ledger.postgres.connecting import Connection, Place, refuse_server, transaction
from engine.ledger.postgres.statements import SCHEMA_VERSION, in_schema, migrations, quoted
from engine.ledger.witness import RESTORE, Witness, compare_with_witness, read_witness, write_witness

_RIGHTS = "give the role the rights of `roles.sql`, or run the command with the role engine_migrate"


def create(place: Place, identity: Identity, witness: Path | None) -> str:
    """Make an empty ledger, and its schema where there is none; its lineage. LedgerRefused where there is one, or the trace of one."""
    lineage = str(uuid4())
    with place.connect() as connection:
        refuse_server(connection, place)
        if witness is not None and read_witness(witness) is not None and not _is_there(connection, place):
            raise LedgerRefused(f"{witness} says that there was a ledger here, and it is gone", help=RESTORE)
        try:
            with transaction(connection, place, "READ WRITE"):
                # Looked for first: a role that owns the schema need not be allowed to make one.
                if connection.execute("SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = %s", [place.schema]).fetchone() is None:
                    connection.execute(f"CREATE SCHEMA {quoted(place.schema)}".encode())
                _migrate(connection, place, migrations())
                connection.execute(
                    """INSERT INTO ledger_meta (only_row, project, environment, lineage, serial, head_hash, schema_version, min_engine, pseudonyms)
                       VALUES (TRUE, %(project)s, %(environment)s, %(lineage)s, 0, %(hash)s, %(version)s, %(engine)s, %(pseudonyms)s)""",
                    {
                        "project": identity.project, "environment": identity.environment, "lineage": lineage, "hash": "0" * 64,
                        "version": SCHEMA_VERSION, "engine": __version__, "pseudonyms": identity.pseudonyms,
                    },
                )  # fmt: skip
        except (psycopg.errors.DuplicateTable, psycopg.errors.DuplicateSchema, psycopg.errors.UniqueViolation) as error:
            raise LedgerRefused(
                f"there is something already where {place} would be", help="nothing to do if it is a ledger: `engine status` shows it"
            ) from error
        except psycopg.errors.InsufficientPrivilege as error:
            raise LedgerRefused(f"{place} cannot be made by this role", help=_RIGHTS) from error
        except psycopg.Error as error:
            raise LedgerBroken(f"{place} could not be made", help="look at the server, and at the rights of this role") from error
    if witness is not None:
        write_witness(witness, Witness(lineage, 0, "0" * 64))
    return lineage


def _is_there(connection: Connection, place: Place) -> bool:
    with transaction(connection, place, "READ ONLY"):
        row = connection.execute("SELECT to_regclass('ledger_meta') IS NOT NULL").fetchone()
    return bool(row and row[0])


def migrate(place: Place, identity: Identity, steps: tuple[bytes, ...] = migrations()) -> tuple[int, int]:
    """Bring an older ledger to this engine's schema: the versions before and after. Waits for whoever works on it; all or nothing."""
    with place.connect() as connection:
        refuse_server(connection, place)
        stamp = read_stamp(connection, place)
        refuse_stranger(str(place), stamp, identity)
        if stamp.schema_version > len(steps):
            refuse_version(stamp, len(steps))
        try:
            with transaction(connection, place, "READ WRITE"):
                # Whoever writes waits here, and finds the version changed.
                row = connection.execute("SELECT schema_version FROM ledger_meta FOR UPDATE").fetchone()
                version = int(row[0]) if row else 0
                _migrate(connection, place, steps[version:])
                if version < len(steps):
                    connection.execute("UPDATE ledger_meta SET schema_version = %s, min_engine = %s", [len(steps), __version__])
        except psycopg.errors.InsufficientPrivilege as error:
            raise LedgerRefused(f"{place} cannot be changed by this role", help=_RIGHTS) from error
        except psycopg.Error as error:
            raise LedgerBroken(f"{place} could not be migrated; it is as it was", help="look at the server, and at the rights of this role") from error
    return version, len(steps)


def _migrate(connection: Connection, place: Place, steps: tuple[bytes, ...]) -> None:
    for step in steps:
        connection.execute(step)
    if steps:
        connection.execute(in_schema("grants", place.schema))


def read_stamp(connection: Connection, place: Place) -> Stamp:
    """What the ledger says of itself. LedgerRefused when there is none."""
    try:
        with transaction(connection, place, "READ ONLY"):
            row = connection.execute("SELECT project, environment, schema_version, min_engine, pseudonyms FROM ledger_meta").fetchone()
    except psycopg.errors.UndefinedTable as error:
        raise LedgerRefused(f"{place} is not there", help=f"run `{CREATE}`; it begins with an empty memory of what was sent") from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise LedgerRefused(f"{place} cannot be read by this role", help=_RIGHTS) from error
    except psycopg.Error as error:
        raise LedgerBroken(f"{place} cannot be read", help="look at the server, and at the rights of this role") from error
    if row is None:
        raise LedgerRefused(f"{place} has no head: it is damaged", help=RESTORE)
    fields: tuple[Any, ...] = row
    return Stamp(*fields)


@contextmanager
def errors_told(place: Place) -> Iterator[None]:
    """What the server refuses while a ledger is opened, as what the engine says of it: LedgerRefused for a right, LedgerBroken for the rest."""
    try:
        yield
    except psycopg.errors.InsufficientPrivilege as error:
        raise LedgerRefused(f"{place} cannot be used so by this role", help=_RIGHTS) from error
    except psycopg.Error as error:
        raise LedgerBroken(f"{place} could not be opened", help="look at the server, and at the rights of this role") from error


def check(connection: Connection, place: Place, identity: Identity, witness: Path | None) -> None:
    """Refuse a ledger that is older or newer, of another project, environment or key, or less than the witness saw."""
    refuse_other(connection, place, identity)
    # A host that has never seen this ledger has no witness yet: it is another host that wrote it.
    seen = read_witness(witness) if witness is not None else None
    with transaction(connection, place, "ISOLATION LEVEL REPEATABLE READ READ ONLY"):
        row = connection.execute("SELECT lineage::text, serial, head_hash FROM ledger_meta").fetchone()
        if row is None:
            raise LedgerRefused(f"{place} has no head: it is damaged", help=RESTORE)
        fields: tuple[Any, ...] = row
        if seen is not None:
            compare_with_witness(str(place), seen, Witness(*fields), lambda serial: hash_at(connection, serial))
        _refuse_gap(connection, place, int(row[1]), str(row[2]))


def refuse_other(connection: Connection, place: Place, identity: Identity) -> None:
    """Refuse a ledger that is not there, older or newer, or of another project, environment or key."""
    stamp = read_stamp(connection, place)
    refuse_version(stamp, SCHEMA_VERSION)
    refuse_stranger(str(place), stamp, identity)


def hash_at(connection: Connection, serial: int) -> str | None:
    """The head hash after a transaction, inside one; None when the ledger has no such one."""
    row = connection.execute("SELECT head_hash FROM transactions WHERE serial = %s", [serial]).fetchone()
    return str(row[0]) if row else None


def _refuse_gap(connection: Connection, place: Place, serial: int, head_hash: str) -> None:
    if serial and hash_at(connection, serial) != head_hash:
        raise LedgerRefused(f"{place} does not hold the transaction that it says is its last", help=RESTORE)

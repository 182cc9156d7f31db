"""The log of another system that does not exist: what a simple job would have sent in the six days before today, with four mistakes.

The job reads the made-up CRM as the definitions of the library do, a day at a time. Its mistakes are what `engine compare` is to find:
a mail repeated on the second day, a paid invoice that is dunned, a contact who is not active, and a day on which it did not run.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb

from engine.messages.addresses import normalize

DAYS = 6
# Where `engine init` puts it, in `state/`.
LOG = "other-system.csv"
COLUMNS = ("sent_at", "mail", "contract_id", "invoice_id", "contact_id", "to_email", "status")
# Whom the job writes to about what: the first of these kinds of contact that is there, else everybody.
_KINDS = {"contracts": ("billing",), "invoices": ("billing", "primary")}
# The job's mails: the table, the date that each counts from, how many days behind it, whose state it asks for, and how many people get it.
_MAILS: tuple[tuple[str, str, str, int, str, int], ...] = (
    ("renewal_30_days", "contracts", "end_date", -30, "status = 'active' AND NOT deleted", 3),
    ("renewal_14_days", "contracts", "end_date", -14, "status = 'active' AND NOT deleted", 3),
    ("renewal_7_days", "contracts", "end_date", -7, "status = 'active' AND NOT deleted", 3),
    ("renewal_urgent", "contracts", "end_date", -1, "status = 'active' AND NOT deleted AND monthly_value >= 10000", 3),
    ("payment_reminder_14_days", "invoices", "due_date", -14, "status = 'sent' AND amount >= 20000", 2),
    ("payment_reminder_7_days", "invoices", "due_date", -7, "status = 'sent' AND amount IS NOT NULL", 2),
    ("payment_overdue", "invoices", "due_date", 3, "status IN ('sent', 'overdue') AND amount IS NOT NULL", 2),
    ("payment_overdue_final", "invoices", "due_date", 14, "status IN ('sent', 'overdue') AND amount IS NOT NULL", 2),
)


@dataclass(frozen=True, slots=True)
class Mail:
    """One line of the log."""

    day: date
    mail: str
    table: str
    record: int
    contact: int
    address: str

    def line(self) -> tuple[Any, ...]:
        contract, invoice = (self.record, "") if self.table == "contracts" else ("", self.record)
        return (f"{self.day} 09:00:00", self.mail, contract, invoice, self.contact, self.address, "sent")


@dataclass(frozen=True)
class Mistakes:
    """What is wrong with the log: the mail that is repeated, the one about a paid invoice, the one to a contact who is not active, and the
    day on which nothing was sent, with the number of mails that were due on it."""

    repeated: Mail
    paid: Mail
    inactive: Mail
    missed: date
    missed_mails: int


def make_demo_log(crm: Path, path: Path, today: date, bounced: Collection[str] = ()) -> Mistakes:
    """Write the log of the DAYS before `today` as CSV, in place of what was there."""
    with duckdb.connect(str(crm), read_only=True) as connection:
        job = _Job(connection, {normalize(address) for address in bounced})
        days = [today - timedelta(days=DAYS - number) for number in range(DAYS)]
        mails = {day: list(job.of(day)) for day in days}
        # Not on the first two days: these show the mail that is repeated.
        missed = max(days[2:], key=lambda day: (len(mails[day]), day))
        missed_mails = len(mails[missed])
        mails[missed] = []
        third, fourth = [day for day in days[2:] if day != missed][:2]
        repeated = replace(mails[days[0]][0], day=days[1])
        paid, inactive = job.paid(third), job.inactive(fourth)
    for mistake in (repeated, paid, inactive):
        mails[mistake.day].append(mistake)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(mail.line() for day in days for mail in mails[day])
    return Mistakes(repeated, paid, inactive, missed, missed_mails)


class _Job:
    """The other system's daily job."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, bounced: Collection[str | None]) -> None:
        self._connection, self._bounced = connection, bounced

    def of(self, day: date) -> Iterator[Mail]:
        """What it sends on a day."""
        for mail, table, column, behind, where, most in _MAILS:
            rows = self._connection.execute(
                f"SELECT id, company_id FROM {table} WHERE {where} AND {column} = $1 ORDER BY id", [day - timedelta(days=behind)]
            ).fetchall()
            for record, company in rows:
                for contact, address in self._people(company, table, most):
                    yield Mail(day, mail, table, record, contact, address)

    def _people(self, company: int, table: str, most: int) -> Sequence[tuple[int, str]]:
        """The first kind of contact that is there for records of the table, or everybody; each address once."""
        rows = self._connection.execute(
            "SELECT id, email, contact_type FROM contacts WHERE company_id = $1 AND is_active IS NOT FALSE ORDER BY id", [company]
        ).fetchall()
        able = [(id, address, kind) for id, said, kind in rows if (address := normalize(said)) and address not in self._bounced]
        groups = [[row for row in able if row[2] == kind] for kind in _KINDS[table]]
        group = next(filter(None, groups), able)
        seen: dict[str, int] = {}
        for id, address, _ in group[:most]:
            seen.setdefault(address, id)
        return [(id, address) for address, id in seen.items()]

    def paid(self, day: date) -> Mail:
        """A notice about an invoice that was paid."""
        rows = self._connection.execute("SELECT id, company_id FROM invoices WHERE status = 'paid' ORDER BY due_date DESC, id").fetchall()
        for record, company in rows:
            for contact, address in self._people(company, "invoices", 1):
                return Mail(day, "payment_overdue", "invoices", record, contact, address)
        raise LookupError("no invoice is paid")

    def inactive(self, day: date) -> Mail:
        """A notice to somebody who has left."""
        rows = self._connection.execute(
            "SELECT c.id, p.id, p.email FROM contracts c JOIN contacts p USING (company_id) "
            "WHERE c.status = 'active' AND NOT c.deleted AND p.is_active = false ORDER BY abs(date_diff('day', c.end_date, $1)), c.id, p.id",
            [day + timedelta(days=30)],
        ).fetchall()
        for record, contact, said in rows:
            if (address := normalize(said)) is not None:
                return Mail(day, "renewal_30_days", "contracts", record, contact, address)
        raise LookupError("everybody is active")

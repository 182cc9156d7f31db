"""What needs a person: found in one plan, the ledger and the files. Nothing is written here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Literal

import duckdb

from engine.clock import to_local
from engine.definitions.definitions import Definitions
from engine.definitions.paths import PathError, Scope, resolve
from engine.definitions.trees import last_changed
from engine.definitions.variables import variables_of
from engine.facts.needs import needed, together
from engine.facts.reading import read_snapshot
from engine.facts.snapshot import Snapshot
from engine.ledger.history import SendFilter, SendRow, Status
from engine.ledger.ledger import Reading
from engine.plan.gates import Decided, Reason
from engine.plan.plan import GuardResult, Plan
from engine.runs.as_found import as_found
from engine.runs.jobs import jobs_now
from engine.runs.labels import Labels
from engine.runs.listing import not_in_crm
from engine.runs.opening import Site
from engine.runs.planning import plan_on

Kind = Literal["unreached", "suppressed_only", "missing_variable", "hold", "unknown", "guard", "job", "draft", "gone_members"]
# What holds a mail because a person said so (6.1).
_PAUSES = frozenset({Reason.STOPPED, Reason.PAUSED_PROJECT, Reason.PAUSED_SEQUENCE, Reason.PAUSED_ENROLLMENT})
# A draft that nobody has touched for so long is forgotten.
FORGOTTEN = timedelta(days=14)
# A hold whose step expires within this is told; a variable that is missing always is.
SOON = timedelta(days=7)
# Doubts are few, and each of them is told.
_ALL = 10_000_000


@dataclass(frozen=True)
class Finding:
    """One thing. `until` is when it cannot be mended any more (naive UTC, as `since`); `about` is a sequence, segment, job or guard.

    `why` and `detail` say which word it is told with; `names` are labels of records that hold no personal data.
    """

    kind: Kind
    owner: str | None
    about: str
    count: int
    step: str | None = None
    entity: str = ""
    why: str = ""
    detail: str = ""
    since: datetime | None = None
    until: datetime | None = None
    within: int | None = None
    names: tuple[str, ...] = ()
    records: tuple[str, ...] = ()
    # Of a guard: itself, and the others of its name that do not hold either; one override is for all of them.
    guards: tuple[GuardResult, ...] = ()

    @property
    def is_grave(self) -> bool:
        """Whether the whole project stands still meanwhile."""
        return self.kind == "job" or any(guard.blocks_all for guard in self.guards[:1])


@dataclass(frozen=True)
class Attention:
    """All findings at one now: what stops everything at the head, then what expires first."""

    findings: tuple[Finding, ...]
    ledger_as_of: datetime | None


_Behind = tuple[datetime | None, datetime | None]


@dataclass
class _Seen:
    unreached: list[tuple[Any, ...]] = field(default_factory=list)
    held: list[tuple[Any, ...]] = field(default_factory=list)
    # By sequence: since when a guard could hold mails of it, and when the first of them expires.
    behind: dict[str, _Behind] = field(default_factory=dict)


def attention(site: Site, *, soon: timedelta = SOON) -> Attention:
    """What needs a person at the site's now."""
    definitions, seen = site.definitions, _Seen()
    labels = Labels(definitions)
    needs = together(needed(definitions), labels.needs())
    with read_snapshot(definitions, site.environment.facts, now=site.now, root=site.root, needs=needs) as snapshot, site.read_ledger() as ledger:
        status = as_found(ledger, site).status(site.now)
        plan = plan_on(site, snapshot, ledger, inspect=lambda cursor: _look(cursor, seen))
        if any(row[3] in _PAUSES for row in seen.held):
            seen.held = _would_go(seen.held, plan_on(site, snapshot, ledger, unpaused=True))
        found = [*_unreached(site, snapshot, labels, seen.unreached), *_held(definitions, seen.held, site.now, soon, _stopped_all(site, status))]
        found += _blocking(definitions, plan, seen.behind, ledger.head().last_now)
        found += _unknown(definitions, ledger)
        found += [
            Finding("job", None, job.name, 1, why="" if job.last else "never_ran", since=job.missed or job.due, until=job.next)
            for job in jobs_now(definitions.project, ledger, status, site.now)
            if job.late
        ]
        found += _gone(definitions, snapshot)
        found += _drafts(site)
        return Attention(tuple(sorted(found, key=_order)), ledger.copied_at)


def _order(finding: Finding) -> tuple[Any, ...]:
    return (
        not finding.is_grave,
        finding.until is None,
        finding.until or datetime.max,
        finding.kind,
        finding.about,
        finding.step or "",
        finding.why,
        finding.detail,
    )


def _owner(definitions: Definitions, sequence: str | None) -> str | None:
    found = definitions.sequences.get(sequence or "")
    return found.owner if found is not None else None


def _look(cursor: duckdb.DuckDBPyConnection, seen: _Seen) -> None:
    """Everybody who is unreached with what keeps their people from it, and the holds by reason."""
    readable = "CASE WHEN year({0}) <= 9999 THEN {0} END"
    seen.unreached = cursor.execute(
        f"""WITH u AS (SELECT DISTINCT sequence, step, entity, record, occurrence, {readable.format("due")} AS due, {readable.format("expiry")} AS expiry
                       FROM decisions WHERE decision = 'unreached'),
            why AS (SELECT a.sequence, a.record, list_sort(list(DISTINCT CASE WHEN p.fault IS NOT NULL THEN p.fault WHEN NOT p.active THEN 'contact_inactive'
                           WHEN p.suppressed IS NOT NULL THEN 'suppressed' ELSE 'unsubscribed' END)) AS reasons
                    FROM audience a JOIN people p USING (contact) SEMI JOIN u ON u.sequence = a.sequence AND u.record = a.record GROUP BY ALL)
            SELECT u.*, w.reasons FROM u LEFT JOIN why w USING (sequence, record) ORDER BY u.sequence, u.step, u.expiry NULLS LAST, u.record"""
    ).fetchall()
    seen.held = cursor.execute(
        f"""SELECT sequence, entity, step, reason, CASE WHEN reason = 'missing_variable' THEN coalesce(variable, '') ELSE '' END AS variable, template, contact,
                   {readable.format("due")} AS due, {readable.format("expiry")} AS expiry, record, occurrence
            FROM sheets s WHERE decision = 'hold' AND reason <> 'guard' AND due <= (SELECT now FROM clock)
                -- A pause that ends in time needs nobody: what it holds goes by itself.
                AND NOT (starts_with(reason, 'paused_') AND sequence NOT IN (SELECT sequence FROM seqs WHERE status IN ('paused', 'draft')) AND NOT EXISTS (
                    FROM controls c WHERE (c.until IS NULL OR c.until >= s.expiry) AND (c.scope = 'project' OR (c.sequence = s.sequence AND (c.scope = 'sequence' OR (
                        (c.record IS NULL OR c.record = s.record) AND (c.occurrence IS NULL OR c.occurrence = s.occurrence)
                        AND (c.contact IS NULL OR c.contact = s.contact)))))))
            ORDER BY ALL"""
    ).fetchall()
    behind = cursor.execute(
        f"""SELECT sequence, min({readable.format("due")}), min({readable.format("expiry")}) FROM decisions
            WHERE decision = 'send' OR (decision = 'hold' AND reason = 'guard') GROUP BY sequence ORDER BY sequence"""
    ).fetchall()
    seen.behind = {sequence: (due, expiry) for sequence, due, expiry in behind}


# --- guards that block ----------------------------------------------------------------------------------------------


def _blocking(definitions: Definitions, plan: Plan, behind: Mapping[str, _Behind], last_now: datetime | None) -> Iterator[Finding]:
    """Each guard that does not hold. A run that it blocks writes nothing: told are since when the mails behind it wait, and when the first expires."""
    failed = [guard for guard in plan.guards if not guard.passed]
    for guard in failed:
        mails = [mail for sequence, mail in behind.items() if guard.sequence in (None, sequence)]
        since = guard.since or _least(due for due, _ in mails)
        if since is not None and last_now is not None and guard.sequence is None:
            # The last apply passed, or it would not be in the ledger.
            since = max(since, last_now)
        yield Finding(
            "guard",
            _owner(definitions, guard.sequence),
            guard.id,
            1,
            detail=guard.sequence or guard.detail,
            why=guard.detail if guard.since else "",
            since=since,
            until=_least(expiry for _, expiry in mails),
            guards=(guard, *(other for other in failed if other.id == guard.id and other is not guard)),
        )


# --- records that nobody can be told about -------------------------------------------------------------------------


def _unreached(site: Site, snapshot: Snapshot, labels: Labels, rows: list[tuple[Any, ...]]) -> Iterator[Finding]:
    groups: dict[tuple[str, str, str, str], list[tuple[Any, ...]]] = {}
    for row in rows:
        sequence, step, entity, *_, reasons = row
        groups.setdefault((sequence, step, entity, _why(reasons)), []).append(row)
    for (sequence, step, entity, why), several in groups.items():
        # A record that is there twice, by hand or by several events, is one that nobody can be told about.
        keys = tuple(dict.fromkeys(row[3] for row in several))
        yield Finding(
            "suppressed_only" if why == "suppressed" else "unreached",
            _owner(site.definitions, sequence),
            sequence,
            len(keys),
            step,
            entity,
            why,
            _field(site.definitions, sequence),
            _least(row[5] for row in several),
            _least(row[6] for row in several),
            _within(site, sequence, [row[4] for row in several]),
            labels.of(snapshot, entity, keys),
            keys,
        )


def _why(reasons: list[str] | None) -> str:
    """One word for a record: what would have to change first."""
    said = set(reasons or ())
    if not said:
        return "no_contact"
    if said <= {"suppressed", "unsubscribed"}:
        return "suppressed"
    return next(reason for reason in ("no_address", "invalid_address", "contact_inactive") if reason in said)


def _field(definitions: Definitions, sequence: str) -> str:
    """The field of a date trigger, where it holds nothing personal."""
    said = definitions.sequences.get(sequence)
    path = getattr(said.trigger, "date", None) if said is not None else None
    # Where it comes round, the field has the first of many dates.
    if said is None or path is None or getattr(said.trigger, "every", None) is not None:
        return ""
    try:
        found = resolve(definitions.crm, Scope(said.about, contact=True), tuple(path.split(".")))
    except PathError:
        return ""
    return "" if found.field is None or found.field.pii else path.rpartition(".")[2]


def _within(site: Site, sequence: str, occurrences: Iterable[str]) -> int | None:
    """In how many days the last of the dates is; None where one lies behind, or they are no dates."""
    if not _field(site.definitions, sequence):
        return None
    try:
        last = max(date.fromisoformat(occurrence[:10]) for occurrence in occurrences)
    except ValueError:
        return None
    days = (last - to_local(site.now, site.definitions.project.timezone).date()).days
    return days if days >= 0 else None


def _least(moments: Iterable[datetime | None]) -> datetime | None:
    return min((moment for moment in moments if moment is not None), default=None)


# --- mails that wait for somebody ----------------------------------------------------------------------------------


def _would_go(held: list[tuple[Any, ...]], unpaused: Plan) -> list[tuple[Any, ...]]:
    """The holds without the pauses of those who would get no mail either if nothing was paused: who would leave, or whose condition is false."""
    names = ("decision", "sequence", "entity", "step", "contact", "record", "occurrence")
    rows = unpaused.decisions.select(names).to_pylist()
    waiting = {tuple(row[name] for name in names[1:]) for row in rows if row["decision"] in (Decided.SEND, Decided.HOLD)}
    return [row for row in held if row[3] not in _PAUSES or (*row[:3], row[6], *row[9:]) in waiting]


def _stopped_all(site: Site, status: Status) -> bool:
    """Whether everything is stopped, and not some sequences alone."""
    return site.stopped or any((one.scope, one.action) == ("project", "stopped") for one in status.controls)


def _held(definitions: Definitions, rows: list[tuple[Any, ...]], now: datetime, soon: timedelta, stopped_all: bool) -> Iterator[Finding]:
    groups: dict[tuple[str, str, str, str, str, str], list[tuple[Any, ...]]] = {}
    for row in rows:
        sequence, entity, step, reason, variable, template, *_ = row
        groups.setdefault((sequence, entity, step, reason, variable, template if variable else ""), []).append(row)
    for (sequence, entity, step, reason, variable, template), several in groups.items():
        ending = [row for row in several if row[8] is not None and row[8] <= now + soon]
        told = several if reason == "missing_variable" else ending
        if told:
            yield Finding(
                "missing_variable" if reason == "missing_variable" else "hold",
                _owner(definitions, sequence),
                sequence,
                len(told),
                step,
                entity,
                reason,
                _source(definitions, template, variable) if variable else "all" if reason == "stopped" and stopped_all else "",
                _least(row[7] for row in told),
                _least(row[8] for row in told),
            )


def _source(definitions: Definitions, template: str, variable: str) -> str:
    """A variable and the path that its value comes from, as `monthly_value` or `monthly_value (contract.monthly_value)`."""
    found = definitions.templates.get(template)
    declared = variables_of(definitions, found.type).get(variable) if found is not None else None
    return f"{variable} {declared.path}" if declared is not None else variable


def _unknown(definitions: Definitions, ledger: Reading) -> Iterator[Finding]:
    """The mails of which nobody knows whether they went out, by sequence; `detail` is the first of them."""
    doubts: dict[str, list[SendRow]] = {}
    for row in _mails(ledger, ledger.sends(SendFilter(state="unknown"), limit=_ALL).rows[::-1]):
        doubts.setdefault(row.sequence, []).append(row)
    for sequence, rows in doubts.items():
        since = min(row.decided_at for row in rows)
        yield Finding("unknown", _owner(definitions, sequence), sequence, len(rows), since=since, detail=rows[0].send_key)


def _mails(ledger: Reading, rows: Sequence[SendRow]) -> Iterator[SendRow]:
    """The first row of each mail: rows that were combined are one (4.8), and those are of one step and one contact."""
    alike = Counter((row.sequence, row.step, row.contact) for row in rows)
    told: set[str] = set()
    for row in rows:
        if row.send_key in told:
            continue
        yield row
        detail = ledger.show(row.send_key) if alike[row.sequence, row.step, row.contact] > 1 else None
        told.update(other.send_key for other in (detail.others if detail is not None else ()))


# --- definitions that nobody looks after ----------------------------------------------------------------------------


def _gone(definitions: Definitions, snapshot: Snapshot) -> Iterator[Finding]:
    for id, segment in sorted(definitions.segments.items()):
        keys = definitions.members.get(id, ()) if segment.status != "archived" else ()
        gone = not_in_crm(snapshot, segment.entity, keys) if keys else set()
        if gone:
            yield Finding("gone_members", segment.owner, id, len(gone), entity=segment.entity, records=tuple(sorted(gone)))


def _drafts(site: Site) -> Iterator[Finding]:
    drafts = {id: site.definitions.where("sequence", id).file for id, sequence in sorted(site.definitions.sequences.items()) if sequence.status == "draft"}
    for id, file in drafts.items():
        since = last_changed(site.root, file)
        if since is not None and site.now - since >= FORGOTTEN:
            yield Finding("draft", _owner(site.definitions, id), id, 1, since=since, detail=file)

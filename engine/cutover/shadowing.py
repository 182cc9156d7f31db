"""Shadow mode: our plan of each day beside what another system really sent. Nothing is written, and no mail leaves.

Each day is planned on the ledger that the days before would have left. The CRM is the one of now, for every day.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from pathlib import Path

from engine.clock import to_local, to_utc
from engine.cutover.dictionary import Columns, Dictionary, columns_of
from engine.cutover.finding import Crm
from engine.cutover.logs import Log, read_log
from engine.cutover.matching import Ours, matched
from engine.cutover.recognizing import Recognized, Recognizer, Refused, Sent
from engine.cutover.taking_in import called_in, gathered_sends, needs
from engine.cutover.verdicts import SENT_BEFORE, Verdict, Verdicts
from engine.errors import LedgerRefused, WrongUsage
from engine.facts.reading import read_snapshot
from engine.facts.snapshot import Snapshot
from engine.ledger.care import WHOLE_PROJECT
from engine.plan.guards import GUARDS
from engine.plan.plan import Plan
from engine.plan.planning import make_plan
from engine.rehearsal.folding import Folded, ViewOf
from engine.runs.homes import EmbeddedHome
from engine.runs.opening import Site

LAST_MOMENT = time(23, 59, 59)
# More days at once would be planned than anybody reads.
MOST_DAYS = 400
# Guards hold back a mistake; here a mistake is what is looked for.
_NO_LIMIT = 1e15
# Our mail on a day on which the other system sent nothing at all.
MISSED_DAY = "missed_day"
DUE = "due"

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Only:
    """One mail that only one of the two would send. `line` is the log's, None for ours; `verdict` is why we do, or do not."""

    day: date
    sequence: str
    step: str
    entity: str
    record: str
    contact: str
    line: int | None
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class DayCompared:
    """One local day. `other_day` of the same ones the other system sent on another day, within the tolerance."""

    day: date
    same: int
    only_ours: int
    only_theirs: int
    other_day: int = 0
    silent: bool = False


@dataclass(frozen=True)
class Compared:
    """What was found. `sequences` are those that were compared; `left_out` sequences of ours have no mail in the log."""

    log: Log
    columns: Columns
    first: date
    last: date
    days: tuple[DayCompared, ...]
    ours: tuple[Only, ...]
    theirs: tuple[Only, ...]
    refused: tuple[Refused, ...]
    not_ours: int
    not_sent: int
    known_before: int
    sequences: tuple[str, ...]
    left_out: tuple[str, ...]
    without_ledger: bool

    @property
    def same(self) -> int:
        return sum(day.same for day in self.days)

    @property
    def agree(self) -> bool:
        return not self.ours and not self.theirs


@dataclass
class _Planned:
    """What the days bring together: our mails, and their mails with our verdict of the day."""

    ours: list[Ours] = field(default_factory=list)
    verdicts: dict[int, Verdict] = field(default_factory=dict)


def compare(
    site: Site,
    path: Path,
    dictionary: Dictionary,
    *,
    first: date | None = None,
    last: date | None = None,
    url: str | None = None,
    sequences: Sequence[str] = (),
    within: int = 1,
    progress: Progress = lambda done, of: None,
) -> Compared:
    """Plan every day from `first` to `last` (local days; the log's first and last if not said) and lay the log beside it.

    What the log has of earlier days counts as sent. A mail is the same when the other system sent it at most `within` days away from
    ours. Raises EngineError for a log that cannot be read, WrongUsage for days that are none.
    """
    log = read_log(site, path, url)
    columns = columns_of("sends", log.columns, dictionary, site.definitions)
    with ExitStack() as stack:
        snapshot = stack.enter_context(
            read_snapshot(site.definitions, site.environment.facts, now=site.now, root=site.root, needs=needs(site.definitions, dictionary))
        )
        recognized = Recognizer(site.definitions, Crm(site.definitions, snapshot, site.now), dictionary, site.now).sends(log.rows, columns, lenient=True)
        zone = site.definitions.project.timezone
        days = _days(site, log, recognized, first, last)
        began = to_utc(datetime.combine(days[0], time()), zone)
        compared = _compared(site, recognized, sequences)
        theirs = [one for one in recognized.sent if one.sequence in compared and began <= one.at and to_local(one.at, zone).date() <= days[-1]]
        below = _below(site, stack)
        folded = stack.enter_context(Folded(below, before=began))
        before = _fold_before(site, folded, recognized, began)
        folded.start_from(WHOLE_PROJECT, began)
        planned = _plan_days(site, snapshot, folded, theirs, days, compared, progress)
    return _told(site, log, columns, recognized, days, compared, theirs, planned, within, before, below is None)


def _days(site: Site, log: Log, recognized: Recognized, first: date | None, last: date | None) -> list[date]:
    zone = site.definitions.project.timezone
    today = to_local(site.now, zone).date()
    found = sorted(to_local(one.at, zone).date() for one in recognized.sent)
    if not found and (first is None or last is None):
        first_refused = f"{log.counts} {recognized.refused[0].line}: {recognized.refused[0].reason}; " if recognized.refused else ""
        raise WrongUsage(
            "no row of the log could be read as a mail of ours, so there is no day to compare",
            help=f"{first_refused}a dictionary (--dictionary) says which of their mails is which step",
        )
    begin, end = first or found[0], last or (found[-1] if found else today)
    if end > today:
        raise WrongUsage(f"{end} is not over yet: today is {today}", help="compare days that have passed, or say --now")
    if begin > end:
        raise WrongUsage(f"--from {begin} lies after --to {end}")
    count = (end - begin).days + 1
    if count > MOST_DAYS:
        raise WrongUsage(f"{count:,} days are more than {MOST_DAYS}", help="say --from and --to")
    return [begin + timedelta(days=number) for number in range(count)]


def _compared(site: Site, recognized: Recognized, said: Sequence[str]) -> tuple[str, ...]:
    """The sequences to compare: those that were named, else those of which the log has mails."""
    for name in said:
        if name not in site.definitions.sequences:
            raise WrongUsage(f"there is no sequence `{name}`", help=f"the sequences are {', '.join(sorted(site.definitions.sequences))}")
    return tuple(sorted(set(said) or {one.sequence for one in recognized.sent}))


def _below(site: Site, stack: ExitStack) -> ViewOf | None:
    """The environment's ledger, or None where there is none yet: a comparison may come before everything else."""
    try:
        return stack.enter_context(site.read_ledger()).view
    except LedgerRefused:
        home = site.home
        if isinstance(home, EmbeddedHome) and not home.path.exists():
            return None
        raise


def _fold_before(site: Site, folded: Folded, recognized: Recognized, began: datetime) -> int:
    """What the other system sent before the first day is known, as an import would make it known."""
    earlier = replace(recognized, sent=[one for one in recognized.sent if one.at < began and not one.unknown])
    called = called_in(site, folded.view)
    folded.add(gathered_sends(site, earlier, called).past("import sends", "", called))
    return len(earlier.sent)


def moments(site: Site, day: date) -> Iterator[datetime]:
    """When a day is planned: at its end, and before that whenever a send window closes or, where windows are those of recipients, each hour."""
    zone = site.definitions.project.timezone
    times = {LAST_MOMENT}
    for sequence in site.definitions.sequences.values():
        window = getattr(sequence, "send_window", None)
        if window is None:
            continue
        until: time = window.to
        wall = datetime.combine(day, until) - timedelta(seconds=1)
        times |= {wall.time()} if sequence.timezone != "recipient" else {time(hour) for hour in range(24)}
    for at in sorted(times):
        moment = to_utc(datetime.combine(day, at), zone)
        if moment >= site.now:
            yield site.now
            return
        yield moment


def _plan_days(
    site: Site, snapshot: Snapshot, folded: Folded, theirs: Sequence[Sent], days: Sequence[date], compared: Sequence[str], progress: Progress
) -> _Planned:
    found = _Planned()
    zone = site.definitions.project.timezone
    by_day: dict[date, list[Sent]] = {}
    for one in theirs:
        by_day.setdefault(to_local(one.at, zone).date(), []).append(one)
    verdicts = Verdicts(site, snapshot)
    last: datetime | None = None
    for number, day in enumerate(days):
        progress(number, len(days))
        for moment in moments(site, day):
            if last is not None and moment <= last:
                continue
            last = moment
            plan = planned_at(site, snapshot, folded.view, moment)
            found.ours += [Ours.of(day, row) for row in plan.called.named(plan.changes["sends"]).to_pylist() if row["sequence"] in compared]
            found.verdicts |= verdicts.of(day, by_day.get(day, ()), plan, folded.view, moment)
            folded.fold(plan.changes, moment)
    progress(len(days), len(days))
    return found


def planned_at(site: Site, snapshot: Snapshot, view: ViewOf, now: datetime) -> Plan:
    """The plan at a moment, with every guard raised: what is held by a limit alone is still due."""
    return make_plan(
        site.definitions,
        snapshot,
        view,
        now,
        environment=site.environment.name,
        address_key=site.pseudonyms.address_key,
        allowed=dict.fromkeys(GUARDS, _NO_LIMIT),
    )


def _told(
    site: Site, log: Log, columns: Columns, recognized: Recognized, days: Sequence[date], compared: Sequence[str], theirs: Sequence[Sent],
    planned: _Planned, within: int, before: int, without_ledger: bool,
) -> Compared:  # fmt: skip
    zone = site.definitions.project.timezone
    result = matched(planned.ours, [(to_local(one.at, zone).date(), one) for one in theirs], within)
    written = {to_local(one.at, zone).date() for one in recognized.sent}
    # Before its first line the log is not silent: it had not begun.
    silent = {day for day in days if day not in written and day >= min(written, default=days[-1])}
    ours = [
        Only(one.day, one.sequence, one.step, one.entity, one.record, one.contact, None, Verdict("send", MISSED_DAY if one.day in silent else DUE))
        for one in result.ours
    ]
    nothing = Verdict("none", "not_in_sequence")
    only_theirs = [
        Only(
            day, one.sequence, one.step, one.entity, one.record, one.contact, one.line,
            Verdict("none", SENT_BEFORE, at=result.repeats[one.line]) if one.line in result.repeats else planned.verdicts.get(one.line, nothing),
        )
        for day, one in result.theirs
    ]  # fmt: skip
    told = [
        DayCompared(
            day,
            sum(ours_day == day for ours_day, _ in result.same),
            sum(only.day == day for only in ours),
            sum(only.day == day for only in only_theirs),
            sum(ours_day == day and theirs_day != day for ours_day, theirs_day in result.same),
            day in silent,
        )
        for day in days
    ]
    live = {id for id, sequence in site.definitions.sequences.items() if sequence.status == "active"}
    return Compared(
        log, columns, days[0], days[-1], tuple(told), tuple(ours), tuple(only_theirs), tuple(recognized.refused), recognized.not_ours, recognized.not_sent,
        before, tuple(compared), tuple(sorted(live - set(compared))), without_ledger,
    )  # fmt: skip

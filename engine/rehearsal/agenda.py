"""What falls due when, by sequence and record: where a simulated apply has something to do."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property

import duckdb
import pyarrow as pa

from engine.clock import Duration, shift, start_of_day, to_local, to_utc
from engine.definitions.cron import Cron
from engine.definitions.definitions import Definitions
from engine.definitions.selecting import select_sequences
from engine.definitions.sequences import Sequence
from engine.definitions.triggers import DateTrigger, EntersTrigger, ManualTrigger, OnceTrigger, ScheduleTrigger
from engine.definitions.using import segments_in
from engine.plan.outline import reenter_of
from engine.plan.triggers.ticks import next_tick, ticking

DUE = pa.schema([("sequence", pa.string()), ("record", pa.string())])
# From so many instants on, what falls due within the same hour is taken together, as a job would.
EXACT = 200
_RELATIVE = re.compile(r'"(within_last|within_next|within)"')
_HISTORY = re.compile(r'"(received|opened|clicked|enrolled)"')
_DAY = Duration(1, "d")


def narrow(definitions: Definitions, sequence: Sequence) -> bool:
    """Whether its records can be looked at one by one: no enrollment of another record decides whether this one enters, and no guard asks for a share of all."""
    if _is_share_guarded(definitions, sequence):
        return False
    if isinstance(sequence.trigger, ManualTrigger):
        # Where a contact may be once only, or again after a while, its other enrollments are all of this record. A file enrolls whoever it lists, looked at or not.
        alone = sequence.about == definitions.crm.contact.entity or reenter_of(sequence) == "every_occurrence"
        return alone and not any(file.sequence == sequence.id for file in definitions.enrollments.values())
    return isinstance(sequence.trigger, DateTrigger) and reenter_of(sequence) == "every_occurrence"


def _is_share_guarded(definitions: Definitions, sequence: Sequence) -> bool:
    own = sequence.guards.max_share_of_audience if sequence.guards is not None else None
    return own is not None or definitions.project.guards.max_share_of_audience is not None


@dataclass
class Agenda:
    """Moments of sequences and records (NULL: the whole sequence), until an end. A moment too many costs a plan, one too few a mail."""

    definitions: Definitions
    until: datetime
    taken: int = 0
    _coming: dict[str, datetime] = field(default_factory=dict)
    _tables: duckdb.DuckDBPyConnection = field(default_factory=lambda: duckdb.connect(":memory:", config={"threads": "1"}))

    def __post_init__(self) -> None:
        self._tables.execute("CREATE TABLE agenda (sequence VARCHAR, record VARCHAR, moment TIMESTAMP)")

    def close(self) -> None:
        self._tables.close()

    # --- asking -------------------------------------------------------------------------------------------------------

    def next(self) -> datetime | None:
        """When the next apply has something to do; None where nothing is due until the end."""
        found: datetime | None = self._tables.execute("SELECT min(moment) FROM agenda WHERE moment <= $1", [self.until]).fetchall()[0][0]
        if found is None or self.taken < EXACT or self._jobs:
            return found
        hour = found.replace(minute=0, second=0, microsecond=0)
        return found if hour == found else min(hour + timedelta(hours=1), self.until)

    def due(self, moment: datetime) -> pa.Table:
        """What the apply of this moment looks at."""
        return self._tables.sql(
            "SELECT DISTINCT sequence, record FROM agenda WHERE moment <= $moment AND (record IS NULL OR sequence NOT IN "
            "(SELECT sequence FROM agenda WHERE moment <= $moment AND record IS NULL))", params={"moment": moment},
        ).to_arrow_table().cast(DUE)  # fmt: skip

    def coming(self, until: datetime) -> pa.Table:
        """The records that are looked at one by one before then, as far as is known."""
        return (
            self._tables.sql("SELECT DISTINCT sequence, record FROM agenda WHERE moment <= $until AND record IS NOT NULL", params={"until": until})
            .to_arrow_table()
            .cast(DUE)
        )

    # --- filling ------------------------------------------------------------------------------------------------------

    def done(self, moment: datetime) -> None:
        """The apply of this moment was made."""
        self.taken += 1
        self._tables.execute("DELETE FROM agenda WHERE moment <= $1", [moment])
        for sequence in self._relative:
            self._add_whole(sequence, shift(start_of_day(moment, self._zone), _DAY, self._zone))
        self._add_ticks(moment)

    def sent(self, moment: datetime) -> None:
        """Mail went at this moment: whoever enters a segment of those who have had one does so at the next apply."""
        for sequence in self._on_history:
            self._add_whole(sequence, moment + timedelta(minutes=1))

    def _add_ticks(self, moment: datetime) -> None:
        """The coming time of each schedule; the one after it comes when that one is done."""
        for sequence in ticking(self.definitions):
            assert isinstance(sequence.trigger, ScheduleTrigger | OnceTrigger)
            tick = next_tick(sequence.trigger, moment, self._zone)
            if tick is not None and tick.at <= self.until and self._coming.get(sequence.id) != tick.at:
                self._coming[sequence.id] = tick.at
                self._add_whole(sequence.id, tick.at)

    def add(self, rows: pa.Table) -> None:
        """Rows (sequence, record, moment) that a plan brought. Of a sequence that has no records of its own the whole is looked at."""
        if not rows.num_rows:
            return
        self._tables.register("arriving", rows)
        whole = [id for id, sequence in self.definitions.sequences.items() if not narrow(self.definitions, sequence)]
        found = self._tables.sql(
            "SELECT DISTINCT sequence, CASE WHEN NOT list_contains($whole::VARCHAR[], sequence) THEN record END AS record, moment FROM arriving",
            params={"whole": whole},
        ).to_arrow_table()
        self._tables.unregister("arriving")
        self._insert(found)

    def add_everything(self, moment: datetime) -> None:
        """All sequences are looked at by the first apply at or after this moment."""
        for sequence in self.definitions.sequences:
            self._add_whole(sequence, moment)
        self._add_ticks(moment)

    def _add_whole(self, sequence: str, moment: datetime) -> None:
        self._insert(pa.table({"sequence": [sequence], "record": pa.array([None], pa.string()), "moment": pa.array([moment], pa.timestamp("us"))}))

    def _insert(self, rows: pa.Table) -> None:
        self._tables.register("arriving", rows)
        if not self._jobs:
            self._tables.execute("INSERT INTO agenda SELECT * FROM arriving")
        else:
            pairs = self._tables.execute("SELECT DISTINCT sequence, moment FROM arriving").fetchall()
            starts = [{"sequence": sequence, "moment": moment, "start": self._start(sequence, moment)} for sequence, moment in pairs]
            self._tables.register("starts", pa.Table.from_pylist(starts, _STARTS))
            self._tables.execute("INSERT INTO agenda SELECT DISTINCT sequence, record, start FROM arriving JOIN starts USING (sequence, moment)")
            self._tables.unregister("starts")
        self._tables.unregister("arriving")

    # --- what decides -------------------------------------------------------------------------------------------------

    @property
    def _zone(self) -> str:
        return self.definitions.project.timezone

    @cached_property
    def _jobs(self) -> Mapping[str, tuple[Cron, ...]]:
        """The jobs of each sequence. One that is in no job goes when it is due."""
        found: dict[str, list[Cron]] = {}
        for job in self.definitions.project.jobs.values():
            chosen = set(self.definitions.sequences) if job.select is None else select_sequences(self.definitions, job.select).sequences
            for sequence in chosen:
                found.setdefault(sequence, []).append(job.times)
        return {sequence: tuple(times) for sequence, times in found.items()}

    def _start(self, sequence: str, moment: datetime) -> datetime:
        """The first start of one of its jobs at or after the moment."""
        times = self._jobs.get(sequence)
        if not times:
            return moment
        wall = to_local(moment, self._zone) - timedelta(microseconds=1)
        return max(moment, min(to_utc(one.after(wall), self._zone) for one in times))

    @cached_property
    def _relative(self) -> tuple[str, ...]:
        """The sequences that a new day can change by itself: their rules, or those of a segment they name, count days from now."""
        return tuple(_said(self.definitions, _RELATIVE))

    @cached_property
    def _on_history(self) -> tuple[str, ...]:
        """The sequences that a mail can bring somebody into."""
        entering = {id for id, sequence in self.definitions.sequences.items() if isinstance(sequence.trigger, EntersTrigger)}
        return tuple(id for id in _said(self.definitions, _HISTORY) if id in entering)


_STARTS = pa.schema([("sequence", pa.string()), ("moment", pa.timestamp("us")), ("start", pa.timestamp("us"))])


def _said(definitions: Definitions, what: re.Pattern[str]) -> Iterator[str]:
    """The sequences that say it in their rules, or in those of a segment that they name."""
    said = json.loads(definitions.compiled)
    found = {id for id, segment in said.get("segments", {}).items() if what.search(json.dumps(segment))}
    while more := {id for id, segment in definitions.segments.items() if id not in found and found & set(segments_in(segment))}:
        found |= more
    for id, text in said.get("sequences", {}).items():
        sequence = definitions.sequences.get(id)
        if sequence is None:
            continue
        # Who is in the segment of a schedule is asked at its times only.
        left = {"trigger"} if isinstance(sequence.trigger, ScheduleTrigger | OnceTrigger) else set()
        rules = [getattr(sequence, name) for name in type(sequence).model_fields if name not in left]
        if what.search(json.dumps({name: value for name, value in text.items() if name not in left})) or found & set(segments_in(rules)):
            yield id

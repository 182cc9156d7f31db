"""`python -m tests.soak --minutes 20`: as much of the full counts as the time allows, and a report in docs/evidence/.

What was finished is remembered in docs/evidence/soak.json for this commit, and worlds for all commits on which they are made by the same
files (tests/soak/code.py): the next soak goes on where this one ended, also on another machine once that file is committed, and the
report tells both. `--fresh` forgets it. Exit 1 when anything was found.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.bench.reporting import ROOT, commit, evidence, machine
from tests.soak.parts import EXAMPLES, KILLS, ORACLE_CASES, Found, Slice, kills, laws, oracle, run, server, storm, workers, year

RECORD = ROOT / "docs" / "evidence" / "soak.json"
# Shares of the time that each part has for itself before what is left over is given to whoever is not done.
SHARES = (("storm", 0.2), ("server", 0.05), ("workers", 0.1), ("laws", 0.15), ("kills", 0.15), ("year", 0.15), ("oracle", 0.2))
# What each of these parts is, in the report.
STORMS = {
    "storm": "kill -9 of senders at random moments, judged by the receiving server's record",
    "server": "kill -9 of Postgres while three workers send",
    "workers": "eight workers on one ledger, two of them killed",
}
# A slice that has begun may end a little behind the deadline.
GRACE = 60.0


@dataclass
class Record:
    """What was finished on this commit, over all soaks of it."""

    commit: str
    seed: int
    begun: str
    seconds: float = 0.0
    finished: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path, fresh: bool) -> Record:
        now = datetime.now(UTC)
        new = cls(commit(), int(now.timestamp()), now.strftime("%Y-%m-%d %H:%M"))
        if fresh or not path.exists():
            return new
        old = cls(**json.loads(path.read_text(encoding="utf-8")))
        if old.commit == new.commit:
            return old
        new.finished = {name: row for name, row in old.finished.items() if row.get("code")}
        return new

    def write(self, path: Path) -> None:
        # A line for each slice: what a soak adds is what a commit shows.
        rows = ",\n".join(f"{json.dumps(name)}: {json.dumps(row)}" for name, row in sorted(self.finished.items()))
        head = json.dumps({name: value for name, value in asdict(self).items() if name != "finished"})
        temporary = path.with_suffix(".tmp")
        temporary.write_text(f'{head[:-1]}, "finished": {{\n{rows}\n}}}}\n', encoding="utf-8")
        os.replace(temporary, path)

    def note(self, one: Slice, found: Found) -> None:
        if found.finished:
            made = {"part": one.part, "name": one.name, "cases": one.cases, "code": one.code, "commit": self.commit}
            self.finished[one.name] = {**made, **asdict(found)}

    def drop_changed(self, slices: Iterable[Slice]) -> None:
        """Forget what was finished by other files than today's."""
        for one in slices:
            if one.name in self.finished and self.finished[one.name].get("code", "") != one.code:
                del self.finished[one.name]


def soak(parts: dict[str, list[Slice]], record: Record, minutes: float, workers: int) -> None:
    """Run slices until the time is over, each part in its share first."""
    begun = time.monotonic()
    end = begun + minutes * 60
    share_end = begun
    with ThreadPoolExecutor(workers) as pool:
        for part, share in SHARES:
            share_end += share * minutes * 60
            _run(pool, workers, _left(parts[part], record), record, share_end, end)
        for part, _ in SHARES:
            _run(pool, workers, _left(parts[part], record), record, end, end)
    record.seconds += time.monotonic() - begun


def _left(slices: Sequence[Slice], record: Record) -> list[Slice]:
    return [one for one in slices if one.name not in record.finished]


def _run(pool: ThreadPoolExecutor, workers: int, slices: list[Slice], record: Record, until: float, end: float) -> None:
    running: dict[Future[Found], Slice] = {}
    waiting = iter(slices)
    while True:
        while len(running) < workers and time.monotonic() < until and (one := next(waiting, None)) is not None:
            running[pool.submit(run, one, end + GRACE - time.monotonic())] = one
        if not running:
            return
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            one, found = running.pop(future), future.result()
            record.note(one, found)
            record.write(RECORD)
            said = "the time was over" if not found.finished else "FOUND SOMETHING" if found.faults else "good"
            print(f"{datetime.now(UTC):%H:%M:%S} {one.part}: {one.name}: {said}", flush=True)


def report(parts: dict[str, list[Slice]], record: Record) -> list[str]:
    finished = record.finished
    done = {part: [finished[one.name] for one in slices if one.name in finished] for part, slices in parts.items()}
    worlds = sum(row["cases"] for row in done["oracle"])
    faults = {part: sum(len(row["faults"]) for row in rows) for part, rows in done.items()}

    def of(part: str) -> str:
        skipped = sum(row["skipped"] for row in done[part])
        return f"{len(done[part])} of {len(parts[part])} tests" + (f", of which {skipped} cases skipped" if skipped else "")

    lines = [
        machine("at the end"),
        f"Begun {record.begun} UTC; {record.seconds / 60:.0f} minutes in all; hypothesis seed {record.seed}. Only what was finished is counted.",
        "",
        "| part | asked | done | found |",
        "| --- | --- | --- | --- |",
        f"| engine against oracle, random worlds | {ORACLE_CASES:,} worlds | {worlds:,} | {faults['oracle']} |",
        f"| `engine apply` killed at random moments, and kills at all failpoints | {KILLS} random kills, all failpoints | {of('kills')} | {faults['kills']} |",
        f"| laws over random values, and all that is left to `make soak` | {EXAMPLES:,} cases each, where a test has no number of its own | {of('laws')} | {faults['laws']} |",
        "",
        *_elsewhere(record, done["oracle"]),
        *_years(done["year"]),
        *_storms(parts, done),
    ]
    for part, slices in parts.items():
        left = sorted({one.name.partition("[")[0].rpartition("::")[2] for one in slices if one.name not in finished})
        # A part that nobody asked for has nothing to say.
        if left and done[part] and part != "oracle":
            lines += [f"Not finished of {part}: {', '.join(left)}.", ""]
    told = [(one.name, line) for one in parts["kills"] if one.name in finished for line in finished[one.name]["told"]]
    if told:
        lines += ["## What the kills did", "", *(f"- {name.rpartition('::')[2]}: {line}" for name, line in told), ""]
    for rows in done.values():
        for row in rows:
            for what, text in row["faults"].items():
                lines += [f"## Found: {what}", "", "```", text.rstrip(), "```", ""]
    return lines


def _elsewhere(record: Record, rows: Sequence[dict[str, Any]]) -> list[str]:
    """On which commits the worlds ran, where not all did on this one."""
    counts: Counter[str] = Counter()
    for row in rows:
        counts[row["commit"]] += row["cases"]
    if set(counts) <= {record.commit}:
        return []
    told = ", ".join(f"{worlds:,} on {commit}" for commit, worlds in counts.items())
    return [f"Worlds ran on several commits, and are made by the same files on each (digest {rows[0]['code']}, tests/soak/code.py): {told}.", ""]


def _years(rows: Sequence[dict[str, Any]]) -> list[str]:
    """What happened in the demo company's year, and what was wrong."""
    lines = [
        f"- {row['name']}: " + ", ".join(f"{number:,} {what}" for what, number in sorted(row["counts"].items())) + f"; wrong: {len(row['faults'])}"
        for row in rows
    ]
    return ["A year of the demo company, its ledger counted again by other code:", "", *lines, ""] if lines else []


def _storms(parts: dict[str, list[Slice]], done: dict[str, list[dict[str, Any]]]) -> list[str]:
    """What the kills left: twice, lost and stuck are faults, and each is told below."""
    lines = [
        "| kills | messages | killed | in doubt (of these had arrived) | twice, lost or stuck | slices done |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for part, words in STORMS.items():
        kinds = dict.fromkeys(tuple(one.name.split(", ")[1:-1]) if part == "storm" else (one.name,) for one in parts[part])
        for kind in kinds:
            names = {one.name for one in parts[part] if set(kind) <= set(one.name.split(", ")) or one.name == kind[0]}
            rows = [row for row in done[part] if row["name"] in names]
            if rows:
                sums = {count: sum(row["counts"].get(count, 0) for row in rows) for count in ("kills", "messages", "doubts", "arrived")}
                found = sum(len(row["faults"]) for row in rows)
                lines.append(
                    f"| {words}: {', '.join(kind)} | {sums['messages']:,} | {sums['kills']:,} | {sums['doubts']:,} ({sums['arrived']:,}) | {found} | {len(rows)} of {len(names)} |"
                )
    return (
        [*lines, "", "`keyed` is a provider that knows a repeated key. Files of the storm lie in memory: what is killed are processes, never the machine.", ""]
        if len(lines) > 2
        else []
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=(__doc__ or "").partition("\n")[2].strip())
    parser.add_argument("--minutes", type=float, default=60, help="how long (60)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="how many processes at once (the number of cores)")
    parser.add_argument(
        "--parts", default=",".join(part for part, _ in SHARES), help="which of these (all); the report tells all that was finished on this commit"
    )
    parser.add_argument("--share", type=float, default=1.0, help="of storm, server, workers and year this share, to try them")
    parser.add_argument("--fresh", action="store_true", help="begin anew, also on the same commit")
    options = parser.parse_args()
    record = Record.read(RECORD, options.fresh)
    makers: dict[str, Callable[[], list[Slice]]] = {
        "oracle": oracle,
        "kills": kills,
        "laws": lambda: laws(record.seed),
        "storm": lambda: storm(options.share),
        "server": lambda: server(options.share),
        "workers": lambda: workers(options.share),
        "year": lambda: year(options.share),
    }
    parts = {name: make() for name, make in makers.items()}
    record.drop_changed(one for slices in parts.values() for one in slices)
    chosen = options.parts.split(",")
    if unknown := set(chosen) - set(parts):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    soak({name: slices if name in chosen else [] for name, slices in parts.items()}, record, options.minutes, options.workers)
    record.write(RECORD)
    print(f"written to {evidence('soak', 'The full counts', report(parts, record))}")
    return 1 if any(row["faults"] for row in record.finished.values()) else 0


if __name__ == "__main__":
    sys.exit(main())

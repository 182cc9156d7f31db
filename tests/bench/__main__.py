"""`python -m tests.bench`: measure, print, and write docs/evidence/bench-<date>.md.

ENGINE_BENCH_SCALE=0.05 is a quick look and writes nothing; ENGINE_BENCH_ROUNDS says of how many the best is taken (3).
ENGINE_BENCH_ONLY=planning,sending,starting,differing takes some.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.bench import differing, planning, sending, starting
from tests.bench.measuring import Measure, told
from tests.bench.reporting import evidence, machine
from tests.bench.world import make_world

SCALE = float(os.environ.get("ENGINE_BENCH_SCALE", "1"))
ROUNDS = int(os.environ.get("ENGINE_BENCH_ROUNDS", "3"))
_PARTS = "starting,sending,planning,differing"
ONLY = os.environ.get("ENGINE_BENCH_ONLY", _PARTS).split(",")
# Of the large company's contacts so many are looked at over thirty days.
_DIFFERING = 0.1


def measured() -> Iterator[Measure]:
    if "starting" in ONLY:
        with told("start-up and validate"):
            yield from list(starting.measures(SCALE, ROUNDS))
    if "sending" in ONLY:
        with told("messages and outcomes"):
            yield from list(sending.measures(SCALE, ROUNDS))
    if "planning" in ONLY:
        with tempfile.TemporaryDirectory() as folder:
            with told("a CRM and a ledger"):
                world = make_world(Path(folder) / "bench", SCALE)
            with told("plan and segment"):
                yield from list(planning.measures(world, ROUNDS))
    if "differing" in ONLY:
        with tempfile.TemporaryDirectory() as folder:
            with told("a tenth of that CRM and ledger"):
                world = make_world(Path(folder) / "bench", SCALE * _DIFFERING)
            with told("diff"):
                yield from list(differing.measures(world, ROUNDS))


def table(measures: list[Measure]) -> str:
    lines = ["| what | ours | bare | ratio | goal | |", "| --- | --- | --- | --- | --- | --- |"]
    for one in measures:
        verdict = "" if one.passed is None else "pass" if one.passed else "**miss**"
        ratio = f"{one.ratio:.2f}" if one.ratio is not None else ""
        lines.append(f"| {one.what} | {one.ours} | {one.bare} | {ratio} | {one.goal} | {verdict} |")
    notes = [f"- {one.what}: {one.note}." for one in measures if one.note]
    return "\n".join([*lines, "", *notes])


def main() -> None:
    before = machine("before the run")
    text = table(list(measured()))
    print("\n" + text)
    if SCALE == 1 and set(ONLY) == set(_PARTS.split(",")):
        rounds = f"The best of {ROUNDS}, ours and bare in turns. A ratio is ours / bare in time: smaller is better. A timing never fails a test."
        print(f"\nwritten to {evidence('bench', 'How fast, as ratios', [before, rounds, '', text])}")
    else:
        print("\nnot the whole: nothing was written to docs/evidence")


if __name__ == "__main__":
    main()

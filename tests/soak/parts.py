"""What a soak consists of: slices, each a process of its own that ends with what it found."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.soak.code import digest_of

ROOT = Path(__file__).resolve().parents[2]
ORACLE_CASES, KILLS, EXAMPLES = 20_000, 200, 2000
SLICE = 50
# Random kills for each ledger, with and without a key that the provider knows; the server's; and messages for eight workers (reliability.md §5 A, D).
STORM_KILLS, STORM_SLICE, SERVER_KILLS, WORKERS_SEND = 2000, 250, 20, 100_000
YEAR_DAYS = 365
_STORM = (sys.executable, "-c", "import sys; from tests.soak import storm; storm.main(sys.argv[1:])")
# What the other parts run.
ELSEWHERE = ("tests/crash/", "tests/oracle/test_engine_agrees.py")
# A slice's own words about what it counted, of the tests that print them.
_COUNTED = re.compile(r"^(seed \d+: )?\d+ kills, .*$", re.MULTILINE)
_ENDED = re.compile(r"\b(\d+) (passed|failed|skipped|error|errors|xfailed|deselected)\b")


@dataclass(frozen=True)
class Slice:
    """One thing to run. `name` is what the record of finished slices remembers; `cases` is what it adds to its part's count.

    `code` says what it is made by: where that is the same it counts on other commits too. Empty: on its own commit only.
    """

    part: str
    name: str
    command: tuple[str, ...]
    cases: int
    environ: dict[str, str] = field(default_factory=dict)
    code: str = ""


@dataclass(frozen=True)
class Found:
    """What became of a slice: `faults` says what was wrong, by what to run it again with; `told` are its own counts."""

    finished: bool
    faults: dict[str, str]
    told: tuple[str, ...] = ()
    skipped: int = 0
    counts: dict[str, int] = field(default_factory=dict)


def oracle() -> list[Slice]:
    """Worlds 0 to 19999, some a slice: hours of work, which need not be done again because a page has changed."""
    program = "tests.soak.oracle"
    code = digest_of(program)
    starts = range(0, ORACLE_CASES, SLICE)
    return [
        Slice("oracle", f"worlds {first} to {first + SLICE - 1}", (sys.executable, "-m", program, str(first), str(first + SLICE)), SLICE, code=code)
        for first in starts
    ]


def kills() -> list[Slice]:
    """Every test of tests/crash, those of `make soak` too, with 200 random kills of `apply`; those of the delivery alone are the storm's."""
    environ = {"SOAK": str(KILLS)}
    nodes = [node for node in _collected(["tests/crash"], environ) if not node.startswith("tests/crash/test_kills.py::test_3_7_random")]
    random = [node for node in nodes if "random" in node]
    # The random moments first: the failpoints are in `make test` too, and go together.
    names = dict.fromkeys(node.partition("[")[0] for node in nodes if node not in random)
    return [_test("kills", node, environ) for node in [*random, *names]]


def storm(share: float) -> list[Slice]:
    """2,000 kills over 25,000 messages on each ledger, with and without a key, in slices of 250; a share of them to try it."""
    wanted = max(1, round(STORM_KILLS * share))
    sizes = [min(STORM_SLICE, wanted - done) for done in range(0, wanted, STORM_SLICE)]
    return [
        Slice("storm", f"{size} kills, {home}, {kind}, seed {seed}", (*_STORM, "kills", home, kind, str(seed), str(size)), size)
        for seed, size in enumerate(sizes, 1)
        for home in ("duckdb", "postgres")
        for kind in ("smtp", "keyed")
    ]


def server(share: float) -> list[Slice]:
    """Postgres itself killed 20 times under load, with and without a key."""
    wanted = max(1, round(SERVER_KILLS * share))
    return [Slice("server", f"{wanted} kills of Postgres, {kind}", (*_STORM, "server", kind, "1", str(wanted)), wanted) for kind in ("smtp", "keyed")]


def workers(share: float) -> list[Slice]:
    """Eight workers, 100,000 mails, two workers killed."""
    wanted = max(1000, round(WORKERS_SEND * share))
    return [Slice("workers", f"{wanted} mails, 8 workers, 2 killed", (*_STORM, "workers", "smtp", "1", str(wanted)), wanted)]


def year(share: float) -> list[Slice]:
    """A year of the demo company with all that happens to it (tests/soak/year.py)."""
    days = max(3, round(YEAR_DAYS * share))
    return [Slice("year", f"{days} days of the demo company, seed 1", (sys.executable, "-m", "tests.soak.year", "1", str(days)), days)]


def laws(seed: int) -> list[Slice]:
    """Every test with random values but the oracle's own, with 2,000 cases each where it has no number of its own, and whatever else is left to `make soak`."""
    environ = {"HYPOTHESIS_EXAMPLES": str(EXAMPLES), "ENGINE_SOAK": "1"}
    nodes = [node for node in _collected(["tests", "-p", "tests.soak.only_laws"], environ) if not node.startswith(ELSEWHERE)]
    # A law's parametrized cases go together: most take less than the start of a process.
    names = dict.fromkeys(node.partition("[")[0] for node in nodes)
    return [_test("laws", name, environ, f"--hypothesis-seed={seed}") for name in names]


def _collected(where: list[str], environ: dict[str, str]) -> list[str]:
    command = [sys.executable, "-m", "pytest", "--collect-only", "-m", "not browser", "-p", "no:cacheprovider", *where]
    said = subprocess.run(command, cwd=ROOT, env=os.environ | environ, capture_output=True, text=True, check=False)
    if said.returncode not in (0, 5):
        raise SystemExit(f"the tests could not be collected:\n{said.stdout[-3000:]}{said.stderr[-1000:]}")
    return [line for line in said.stdout.splitlines() if "::" in line and line.startswith("tests/")]


def _test(part: str, node: str, environ: dict[str, str], *more: str) -> Slice:
    command = (sys.executable, "-m", "pytest", "-s", "--tb=short", "-p", "no:cacheprovider", "-p", "no:xdist", *more, node)
    return Slice(part, node, command, 1, environ)


def run(one: Slice, seconds: float) -> Found:
    """Run the slice, and end it when its time is over: it then counts for nothing, and a later soak takes it again."""
    process = subprocess.Popen(
        one.command, cwd=ROOT, env=os.environ | one.environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    try:
        said, _ = process.communicate(timeout=seconds)
    except BaseException as error:
        # Its own children too: applies and servers that it had started.
        os.killpg(process.pid, 9)
        process.communicate()
        if not isinstance(error, subprocess.TimeoutExpired):
            raise
        return Found(False, {})
    if one.part in ("storm", "server", "workers", "year"):
        return _counted(one, said, process.returncode)
    return _worlds(said, process.returncode) if one.part == "oracle" else _tests(one, said, process.returncode)


def _counted(one: Slice, said: str, code: int) -> Found:
    if code:
        return Found(True, {one.name: said[-3000:]})
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    return Found(True, found["faults"], counts=found["counts"])


def _worlds(said: str, code: int) -> Found:
    if code:
        return Found(True, {"the slice itself": said[-1500:]})
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    return Found(True, {f"world_from_seed({seed})": text for seed, text in found.items()})


def _tests(one: Slice, said: str, code: int) -> Found:
    told = tuple(match[0] for match in _COUNTED.finditer(said))
    counts = {word: int(number) for number, word in _ENDED.findall(said.splitlines()[-1] if said else "")}
    return Found(True, {} if code == 0 else {one.name: said[-3000:]}, told, counts.get("skipped", 0))

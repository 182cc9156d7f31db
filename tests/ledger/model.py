"""An explicit-state model checker of the table of transitions: every interleaving of workers, crashes and lapsed leases."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import NamedTuple

from engine.ledger.transitions import TRANSITIONS, Transition

MAX_ATTEMPTS = 2


class Worker(NamedTuple):
    """What one process knows: where it is, the token that it holds, what the transport said."""

    at: str = "idle"
    token: int = 0
    said: str = ""


class World(NamedTuple):
    """The row, the workers, and what the receiving server really took."""

    state: str = "planned"
    token: int = 0
    doubtful: bool = False
    attempts: int = 0
    workers: tuple[Worker, ...] = ()
    accepted: int = 0
    handed_over: bool = False
    crashes: int = 0
    lapses: int = 0


@dataclass(frozen=True)
class Design:
    """A table, and the order in which a worker walks it."""

    table: tuple[Transition, ...] = TRANSITIONS
    order: tuple[str, ...] = ("claim", "dispatch", "hand_over", "record")
    idempotent: bool = False


def check(design: Design, *, workers: int = 2, crashes: int = 2, lapses: int = 2, until: str = "") -> tuple[int, dict[str, World]]:
    """The number of states reached, and for each broken promise the first state that breaks it. With `until` it ends at that promise."""
    start = World(workers=(Worker(),) * workers, crashes=crashes, lapses=lapses)
    seen: dict[World, list[World]] = {}
    queue, broken = deque([start]), dict[str, World]()
    while queue and until not in broken:
        world = queue.popleft()
        if world in seen:
            continue
        seen[world] = _next(world, design)
        queue.extend(seen[world])
        at_rest = all(worker.at == "idle" for worker in world.workers)
        if world.accepted > 1:
            broken.setdefault("duplicate", world)
        if world.state == "sent" and at_rest and world.accepted == 0:
            broken.setdefault("lost", world)
        if world.state == "failed" and at_rest and world.accepted > 0:
            broken.setdefault("failed but delivered", world)
    if until in broken:
        return len(seen), broken
    ends = {world for world in seen if world.state in ("sent", "failed", "unknown") and all(w.at == "idle" for w in world.workers)}
    if stuck := set(seen) - _can_reach(ends, seen):
        broken["stuck"] = min(stuck, key=str)
    return len(seen), broken


def _can_reach(ends: set[World], edges: dict[World, list[World]]) -> set[World]:
    back: dict[World, set[World]] = {}
    for world, nexts in edges.items():
        for after in nexts:
            back.setdefault(after, set()).add(world)
    reached, queue = set(ends), deque(ends)
    while queue:
        for before in back.get(queue.popleft(), ()):
            if before not in reached:
                reached.add(before)
                queue.append(before)
    return reached


def _next(world: World, design: Design) -> list[World]:
    found: list[World] = []
    for place, worker in enumerate(world.workers):
        if worker.at != "idle":
            found.extend(_work(world, place, worker, design))
            if world.crashes:
                found.append(_with(world, place, Worker())._replace(crashes=world.crashes - 1))
        elif world.state == "planned":
            found.extend(_work(world, place, worker, design))
    # A lease lapses whether its holder is dead or only slow; after the last crash the dead must still be rescued.
    held = {worker.token for worker in world.workers if worker.at != "idle"}
    if world.state in ("claimed", "dispatching"):
        if world.token not in held:
            found.extend(_move(world, "rescue", design, world.token))
        elif world.lapses:
            found.extend(after._replace(lapses=world.lapses - 1) for after in _move(world, "rescue", design, world.token))
    return found


def _work(world: World, place: int, worker: Worker, design: Design) -> list[World]:
    """The worker's next step. A step whose guard does not hold sends it home: that is the whole of fencing."""
    step = design.order[0] if worker.at == "idle" else design.order[design.order.index(worker.at) + 1]
    home = _with(world, place, Worker())
    if step == "claim":
        return [_with(after, place, Worker("claim", after.token)) for after in _move(world, "claim", design, world.token)]
    if step == "dispatch":
        moved = _move(world, "dispatch", design, worker.token)
        return [_with(after, place, Worker("dispatch", worker.token, worker.said)) for after in moved] or [home]
    if step == "hand_over":
        return [_with(after, place, _after(design, Worker("hand_over", worker.token, said))) for after, said in _hand_over(world, design)]
    # A design that records before it sends can only write down that it was sent.
    said = worker.said or "acknowledge"
    moved = _move(world, said, design, worker.token)
    return [_with(after, place, _after(design, Worker("record", worker.token, worker.said))) for after in moved] or [home]


def _after(design: Design, worker: Worker) -> Worker:
    return Worker() if worker.at == design.order[-1] else worker


def _hand_over(world: World, design: Design) -> list[tuple[World, str]]:
    """What the receiving server may do: take it and say so, take it and be unheard, put it off, refuse, or hear nothing."""
    took = world if design.idempotent and world.handed_over else world._replace(accepted=world.accepted + 1)
    took = took._replace(handed_over=True)
    answers = [(took, "acknowledge"), (took, "doubt"), (world, "doubt"), (world, "retry")]
    # A provider that knows the key repeats its first answer: it does not refuse what it took.
    return answers if design.idempotent and world.handed_over else [*answers, (world, "refuse")]


def _move(world: World, name: str, design: Design, token: int) -> list[World]:
    key_known = design.idempotent
    facts = {
        "certain": not world.doubtful,
        "doubtful": world.doubtful,
        "key_known": key_known,
        "key_unknown": not key_known,
        "attempts_left": world.attempts < MAX_ATTEMPTS,
        "no_attempts_left": world.attempts >= MAX_ATTEMPTS,
    }
    found = []
    for line in design.table:
        if line.name != name or world.state not in line.before or not all(facts[word] for word in line.when):
            continue
        if line.fenced and token != world.token:
            continue
        found.append(
            world._replace(
                state=line.after,
                token=world.token + line.passes_on,
                doubtful={"keeps": world.doubtful, "begins": True, "ends": False}[line.doubt],
                attempts=world.attempts + (line.after == "dispatching"),
            )
        )
    return found


def _with(world: World, place: int, worker: Worker) -> World:
    return world._replace(workers=(*world.workers[:place], worker, *world.workers[place + 1 :]))


def unfenced(table: tuple[Transition, ...]) -> tuple[Transition, ...]:
    """A rescue that takes a dispatching row for a lost job and plans it again, and words that nobody checks the token of."""
    loose = tuple(replace(line, fenced=False) for line in table if not (line.name == "rescue" and "dispatching" in line.before))
    return (*loose, Transition("T10", "rescue", ("dispatching",), "planned"))

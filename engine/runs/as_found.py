"""A ledger to read as the next apply will find it: what lies in the inbox is carried out, and what a killed run held is given back.

On Postgres an order is committed when it is given, and what a run holds is another host's to let go: nothing is done there.
"""

from __future__ import annotations

from engine.ledger.duckdb import DuckdbReading
from engine.ledger.duckdb.in_thought import as_a_writer_finds_it
from engine.ledger.ledger import Reading
from engine.runs.inbox import unreadable, waiting
from engine.runs.opening import Site


def as_found(ledger: Reading, site: Site) -> Reading:
    """The ledger that was opened to read, as an apply of the site's now would find it once it has taken in what waits.

    Nothing is written. What is asked of it afterwards, also beside a plan, is answered so. A ledger that is open to write is left alone:
    an apply takes in what waits by itself.
    """
    if isinstance(ledger, DuckdbReading):
        choices = {id: s.on_unknown for id, s in site.definitions.sequences.items() if s.on_unknown}
        as_a_writer_finds_it(ledger, site.definitions.former_names, choices, waiting(site.state), site.now)
    return ledger


def is_stopped_now(site: Site) -> bool:
    """Whether an apply would send nothing at all: the kill switch is on, or a file of the inbox may have been meant as a stop (9.8)."""
    return site.stopped or bool(unreadable(site.state))


def refused_orders(site: Site) -> tuple[str, ...]:
    """A sentence for each file of the inbox that is no order: an apply sends nothing while it lies there, for it may have been a stop (9.8)."""
    return tuple(
        f"state/inbox/{name} cannot be read as an order, and may have been meant as a stop: an apply sends nothing until somebody has looked at it"
        for name in unreadable(site.state)
    )

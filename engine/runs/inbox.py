"""Orders that never wait for a lock (semantics 9.8): one file an order in `state/inbox/`, taken in exactly once."""

from __future__ import annotations

import secrets
from datetime import datetime
from pathlib import Path

from engine.errors import EngineError
from engine.failpoints import failpoint
from engine.ledger.duckdb.files import write_durably
from engine.ledger.ledger import Ledger
from engine.ledger.orders import NotAnOrder, Order

FOLDER = "inbox"


class InboxUnreadable(EngineError):
    """An order that nobody can read may have been a stop: nothing is sent until a person has looked at it."""


def leave_order(state: Path, order: Order) -> Path:
    """Write the order where the next look finds it. On disk before this returns."""
    folder = state / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    # Names sort as the orders were given, also those of one instant, so that a stop and a start end as the later one says.
    stamp = f"{order.at.strftime('%Y%m%dT%H%M%S.%f')}Z"
    before = max((path.name for path in folder.glob(f"{stamp}-*.json")), default=f"{stamp}-0000-")
    path = folder / f"{stamp}-{int(before.removeprefix(stamp).split('-')[1]) + 1:04}-{secrets.token_hex(6)}.json"
    write_durably(path, order.to_json().encode("utf-8"))
    return path


def take_in_inbox(ledger: Ledger, state: Path, now: datetime) -> tuple[str, ...]:
    """Carry out what lies in the inbox, each order exactly once: its file name is its id in the ledger. The names that were new.

    Cheap when the inbox is empty. InboxUnreadable, after all others were carried out, when there is a file that is no order.
    """
    orders, unreadable = _read(state / FOLDER)
    done = ledger.take_in(orders, now) if orders else {}
    failpoint("INBOX")
    for name in orders:
        # One that a process took in before it died is known by its id, and only its file is left.
        (state / FOLDER / name).unlink(missing_ok=True)
    if unreadable:
        raise InboxUnreadable(
            f"{state / FOLDER / unreadable[0]} cannot be read as an order, and may have been meant as a stop; nothing more is sent",
            help="look at the file, give the order again with `engine`, and delete the file",
        )
    return tuple(sorted(done))


def waiting(state: Path) -> dict[str, Order]:
    """Orders that no run has taken in yet, by file name: for `status`."""
    return _read(state / FOLDER)[0]


def unreadable(state: Path) -> tuple[str, ...]:
    """The names of files of the inbox that are no orders: until somebody looks at them nothing is sent."""
    return _read(state / FOLDER)[1]


def _read(folder: Path) -> tuple[dict[str, Order], tuple[str, ...]]:
    orders: dict[str, Order] = {}
    unreadable: list[str] = []
    try:
        names = sorted(path.name for path in folder.iterdir() if path.suffix == ".json" and not path.name.startswith("."))
    except FileNotFoundError:
        return {}, ()
    except OSError:
        return {}, ("",)
    for name in names:
        try:
            orders[name] = Order.from_json((folder / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError, NotAnOrder):
            unreadable.append(name)
    return orders, tuple(unreadable)

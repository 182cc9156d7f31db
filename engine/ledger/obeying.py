"""Orders as both homes carry them out: their columns, and which part of a ledger each one is for (semantics 9.8)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from typing import Any

from engine.ledger.chain import Transaction
from engine.ledger.orders import Order

ACTIONS = {"stop": "stopped", "start": "stopped", "pause": "paused", "resume": "paused", "cancel": "cancelled"}
KEYS = ("sequence", "entity", "record", "occurrence", "contact")


def control_values(order_id: str, order: Order) -> dict[str, Any]:
    """A row of `controls`, by its columns."""
    return {
        "id": order_id,
        "scope": order.scope,
        "action": ACTIONS[order.verb],
        **{key: getattr(order, key) for key in KEYS},
        "until": order.until,
        "by": order.by,
        "at": order.at,
        "note": order.note,
    }


def many_values(order: Order) -> dict[str, list[str] | None]:
    """Whom an order of many is about; None is any."""
    return {"contacts": list(order.contacts) or None, "records": list(order.records) or None}


def named_values(order: Order) -> dict[str, list[str] | None]:
    """The same, and the records of occurrences by hand that no plan has seen yet: those of the order, or contacts as records."""
    one = order.record or order.contact
    return {**many_values(order), "named": [one] if one else [*order.records, *order.contacts]}


def suppression_values(order: Order) -> dict[str, Any]:
    """What a suppression is about, and who ordered it."""
    return {"address_key": order.address_key, "reason": order.reason, "topic": order.topic, "at": order.at, "by": order.by}


def event_values(order: Order) -> dict[str, Any]:
    """A row of `inbox_events`, by its columns."""
    return {
        "event": order.event,
        "event_id": order.event_id,
        "entity": order.entity,
        "record": order.record,
        "happened_at": order.happened_at,
        "received_at": order.at,
        "told_by": order.by,
    }


class Obeying(ABC):
    """Which order is for which statement; the statements are a home's own. Each says how many rows it set or lifted."""

    def obey_new(self, transaction: Transaction, orders: Mapping[str, Order], taken: Collection[str], remember: Callable[[str, str], object]) -> dict[str, int]:
        """Carry out those that were not taken in before, in the order of their ids; `remember` keeps the id and what was written.

        The transaction is abandoned when there was none.
        """
        done: dict[str, int] = {}
        for order_id, order in sorted(orders.items()):
            if order_id in taken:
                continue
            written = order.to_json()
            remember(order_id, written)
            transaction.cover(order_id, written)
            done[order_id] = self._carry_out(order_id, order)
        if not done:
            transaction.abandon()
        return done

    def _carry_out(self, order_id: str, order: Order) -> int:
        match order.verb:
            case "stop" | "pause":
                return self._for_each(order_id, order) if order.scope == "enrollment" else self._hold(order_id, order)
            case "start" | "resume":
                return self._lift(order)
            case "cancel":
                return self._for_each(order_id, order)
            case "suppress":
                return self._suppress(order_id, order)
            case "unsuppress":
                return self._unsuppress(order)
            case "event":
                return self._keep_event(order)

    @abstractmethod
    def _hold(self, order_id: str, order: Order) -> int: ...

    @abstractmethod
    def _lift(self, order: Order) -> int: ...

    @abstractmethod
    def _for_each(self, order_id: str, order: Order) -> int: ...

    @abstractmethod
    def _suppress(self, order_id: str, order: Order) -> int: ...

    @abstractmethod
    def _unsuppress(self, order: Order) -> int: ...

    @abstractmethod
    def _keep_event(self, order: Order) -> int: ...

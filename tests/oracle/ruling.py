"""Random rules of section 7, each fitting the type of its field (7.1)."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .worlds import Builder

Raw = dict[str, Any]

FIELDS: dict[str, dict[str, str]] = {
    "company": {
        "name": "text",
        "industry": "text",
        "country": "text",
        "is_active": "boolean",
    },
    "contact": {
        "contact_type": "text",
        "language": "text",
        "is_active": "boolean",
        "trial_end": "date",
    },
    "contract": {
        "status": "text",
        "monthly_value": "decimal",
        "end_date": "date",
        "signed_at": "timestamp",
    },
    "invoice": {"status": "text", "amount": "decimal", "due_date": "date"},
}
WORDS: dict[str, list[str]] = {
    "name": ["lotus", "istanbul otel", "%", "otel", "_"],
    "industry": ["hotel", "HOTEL", "retail", "ho"],
    "country": ["thailand", "STRAẞE", "strasse", "and"],
    "contact_type": ["billing", "technical", "primary"],
    "language": ["th", "en", "t"],
    "status": ["active", "sent", "renewed", "overdue", "paid"],
}
MANY = {"contacts": "contact", "contracts": "contract", "invoices": "invoice"}


class Ruling:
    def __init__(self, builder: Builder, anchor: date) -> None:
        self.b, self.anchor = builder, anchor

    def rule(self, entities: list[str], depth: int, segments: list[str]) -> Raw:
        """One key, as goal and exit_when want it (7.4)."""
        if depth > 0 and self.b.chance(30):
            word = self.b.pick(["all", "any", "not"])
            if word == "not":
                return {"not": self.rule(entities, depth - 1, segments)}
            return {word: [self.rule(entities, depth - 1, segments) for _ in range(2)]}
        if segments and self.b.chance(12):
            return {"segment": self.b.pick(segments)}
        # No sequence is named: an edit may take it away (7.6).
        if self.b.remembering and "contact" in entities and self.b.chance(35):
            word = self.b.pick(["received", "received", "enrolled", "opened", "clicked"])
            return {word: {"within": self.b.pick(["12h", "24h", "2d", "8d", "1mo"])}}
        if self.b.chance(15):
            return self.related()
        entity = self.b.pick(sorted(set(entities)))
        field = self.b.pick(sorted(FIELDS[entity]))
        return {f"{entity}.{field}": self.condition(field, FIELDS[entity][field])}

    def related(self) -> Raw:
        """exists, none, count over a to-many path; inside, bare names."""
        relation = self.b.pick(sorted(MANY))
        entity = MANY[relation]
        field = self.b.pick(sorted(FIELDS[entity]))
        inner: Raw = {field: self.condition(field, FIELDS[entity][field])}
        word = self.b.pick(["exists", "none", "count"])
        if word == "count":
            inner = {"where": inner, "at_least": self.b.number(1, 2)}
        return {word: {f"company.{relation}": inner}}

    def condition(self, field: str, kind: str) -> Any:
        if self.b.chance(12):
            return {self.b.pick(["is_empty", "is_not_empty"]): True}
        if kind == "text":
            return self.text(field)
        if kind == "decimal":
            return self.decimal()
        if kind == "boolean":
            return self.b.pick([True, False, {"not_equals": True}, {"equals": False}])
        return self.moment(kind)

    def text(self, field: str) -> Any:
        words = WORDS[field]
        word = self.b.pick(words)
        operator = self.b.pick(
            [
                "bare",
                "bare",
                "in_list",
                "equals",
                "not_equals",
                "contains",
                "not_contains",
                "starts_with",
                "ends_with",
            ]
        )
        if operator == "bare":
            return word
        if operator == "in_list":
            return self.b.some(words, 3)
        return {operator: word}

    def decimal(self) -> Raw:
        operator = self.b.pick(
            [
                "greater_than",
                "greater_than_or_equal",
                "less_than",
                "less_than_or_equal",
                "equals",
                "not_equals",
            ]
        )
        if self.b.chance(20):
            return {"between": self.b.pick([[0, 1000], [1000, 5000]])}
        return {operator: self.b.pick([0, 10, 1000, 5000])}

    def moment(self, kind: str) -> Raw:
        day = self.anchor + timedelta(days=self.b.number(-9, 9))
        if self.b.chance(35):
            spans = ["1d", "7d", "30d", "1mo"] + (
                ["12h"] if kind == "timestamp" else []
            )
            return {self.b.pick(["within_last", "within_next"]): self.b.pick(spans)}
        if self.b.chance(20):
            return {"between": [day.isoformat(), (day + timedelta(days=5)).isoformat()]}
        return {self.b.pick(["before", "after", "on"]): day.isoformat()}

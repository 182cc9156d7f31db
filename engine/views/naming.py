"""How records and people are named in an output: by pseudonyms, or by the CRM's own keys where somebody asked for them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from engine.definitions.definitions import Definitions
from engine.definitions.paths import PathError, Scope, resolve
from engine.definitions.triggers import DateTrigger, EventTrigger


class Pseudonyms(Protocol):
    """Keyed hashes; see engine.ledger.pseudonyms."""

    def of(self, text: str) -> str: ...


@dataclass(frozen=True)
class Naming:
    """Names for one output. A record without a key, and a contact that is none, stay None."""

    definitions: Definitions
    pseudonyms: Pseudonyms
    show_pii: bool = False
    _made: dict[str, str] = field(default_factory=dict, repr=False)

    def record(self, entity: str, key: str | None) -> str | None:
        """A record's key, or its pseudonym of 16 hex digits."""
        return key if key is None or self.show_pii else self._of(f"{entity}:{key}")

    def contact(self, key: str | None) -> str | None:
        return self.record(self.definitions.crm.contact.entity, key)

    def occurrence(self, sequence: str, entity: str, record: str, key: str) -> str:
        """An occurrence as it is where its field holds no personal data; a date of birth is one, and is not shown."""
        if self.show_pii or sequence in self._open_occurrences:
            return key
        return self._of(f"{entity}:{record}:{key}")

    @cached_property
    def _open_occurrences(self) -> frozenset[str]:
        return frozenset(id for id in self.definitions.sequences if not self._is_private(id))

    def _is_private(self, sequence_id: str) -> bool:
        sequence = self.definitions.sequences[sequence_id]
        if isinstance(sequence.trigger, EventTrigger):
            # The key of a record, or an id of whoever told it, which may say anything.
            return True
        if not isinstance(sequence.trigger, DateTrigger):
            # A number, a time of a schedule, or the name of a file that people reviewed.
            return False
        try:
            path = resolve(self.definitions.crm, Scope(sequence.about, contact=True), tuple(sequence.trigger.date.split(".")))
        except PathError:
            return True
        return path.field is None or path.field.pii

    def _of(self, text: str) -> str:
        if text not in self._made:
            self._made[text] = self.pseudonyms.of(text)
        return self._made[text]

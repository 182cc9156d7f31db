"""Another system's words and ours: which of its columns is what, and which of its mails is which step (a YAML file of the author)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from engine.definitions.base import FieldName, Model, ZoneName
from engine.definitions.definitions import Definitions
from engine.definitions.yaml_reader import read_yaml
from engine.errors import EngineError, WrongUsage

Kind = Literal["sends", "enrollments"]

# What a row may say, and the names under which other systems keep it; the first that the file has is taken.
COLUMNS: Mapping[Kind, Mapping[str, tuple[str, ...]]] = {
    "sends": {
        "sequence": ("sequence", "campaign"),
        "step": ("step",),
        "mail": ("mail", "template", "template_name", "template_type", "email_type", "kind", "type"),
        "record": ("record", "record_id", "record_key"),
        "contact": ("contact", "contact_id", "contact_key"),
        "address": ("address", "email", "to_email", "contact_email", "recipient_email", "email_address", "recipient", "to"),
        "occurrence": ("occurrence",),
        "sent_at": ("sent_at", "sent", "sent_on", "sent_date", "date", "timestamp", "created_at"),
        "status": ("status", "state"),
        "due_at": ("due_at", "scheduled_for"),
        "locale": ("locale", "language"),
        "message_id": ("message_id",),
    },
    "enrollments": {
        "sequence": ("sequence", "campaign"),
        "record": ("record", "record_id", "record_key"),
        "contact": ("contact", "contact_id", "contact_key"),
        "address": ("address", "email"),
        "occurrence": ("occurrence", "enrollment_id"),
        "enrolled_at": ("enrolled_at", "started_at", "created_at"),
        "status": ("status", "state"),
        "next_step": ("next_step",),
        "last_step": ("last_step",),
        "last_sent_at": ("last_sent_at", "last_step_at"),
        "ended_at": ("ended_at", "completed_at"),
        "note": ("note", "notes"),
    },
}
# A row has one of each group.
_NEEDED: Mapping[Kind, tuple[tuple[str, ...], ...]] = {
    "sends": (("sent_at",), ("contact", "address"), ("mail", "step")),
    "enrollments": (("sequence",), ("contact", "address"), ("enrolled_at",)),
}
_STATUSES: Mapping[Kind, Mapping[str, str]] = {
    "sends": {
        **dict.fromkeys(("sent", "delivered", "opened", "clicked", "bounced", "complained", "unsubscribed", "success", "ok", "accepted"), "sent"),
        **dict.fromkeys(("failed", "error", "rejected"), "failed"),
        **dict.fromkeys(("pending", "scheduled", "queued", "draft", "skipped", "cancelled"), "not_sent"),
    },
    "enrollments": {
        **dict.fromkeys(("active", "pending", "live", "running"), "active"),
        "paused": "paused",
        **dict.fromkeys(("completed", "complete", "finished", "done"), "completed"),
        **dict.fromkeys(("cancelled", "canceled", "stopped", "unsubscribed", "exited"), "cancelled"),
    },
}


class Dictionary(Model):
    """`columns` maps our words to their columns, `mails` their mails to SEQUENCE/STEP (or to null: none of ours), `statuses` their
    statuses to ours, `keys` an entity to the field by which the file names its records; `timezone` is that of times without an offset."""

    columns: dict[FieldName, str] = {}
    mails: dict[str, str | None] = {}
    statuses: dict[str, str] = {}
    keys: dict[FieldName, FieldName] = {}
    timezone: ZoneName | None = None


def read_dictionary(path: Path | None, said: Sequence[str] = ()) -> Dictionary:
    """The file's words, and those of the command line (`contact=client_no`) before them. Raises EngineError and WrongUsage."""
    found = Dictionary()
    if path is not None:
        if not path.is_file():
            raise EngineError(f"there is no file {path}", help="name the file with your columns and mails: --dictionary FILE")
        document = read_yaml(path.name, path.read_bytes())
        if document.problems:
            first = document.problems[0]
            raise EngineError(f"{first.message} ({first.origin or path.name})", help=first.help or "mend the file, then run this again")
        try:
            found = Dictionary.model_validate(document.data if document.data is not None else {})
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            place = ".".join(str(part) for part in fault["loc"])
            raise EngineError(f"{path.name}: `{place}`: {fault['msg'][:200]}", help=f"its keys are {', '.join(Dictionary.model_fields)}") from None
    columns = dict(found.columns)
    for text in said:
        ours, sign, theirs = text.partition("=")
        if not sign or not theirs:
            raise WrongUsage(f"--column {text!r} is not OURS=THEIRS", help="such as --column contact=client_no")
        columns[ours.strip()] = theirs.strip()
    return found.model_copy(update={"columns": columns})


@dataclass(frozen=True)
class Columns:
    """Which column of the file holds each of our words, and the columns that nobody reads."""

    kind: Kind
    found: Mapping[str, str]
    unread: tuple[str, ...]

    def get(self, values: Mapping[str, str], name: str) -> str | None:
        column = self.found.get(name)
        return None if column is None else values.get(column)


def columns_of(kind: Kind, header: Sequence[str], dictionary: Dictionary, definitions: Definitions) -> Columns:
    """The columns of a file. A column named as an entity, or as its `_id`, holds that entity's keys. Raises WrongUsage."""
    known = dict(COLUMNS[kind])
    for entity in definitions.crm.entities:
        if entity != definitions.crm.contact.entity:
            known[entity] = (entity, f"{entity}_id")
    lower = {name.lower(): name for name in header}
    found: dict[str, str] = {}
    for ours, theirs in dictionary.columns.items():
        if ours not in known:
            close = get_close_matches(ours, list(known), 1)
            raise WrongUsage(
                f"`{ours}` is no word for a column of {kind}" + (f"; did you mean `{close[0]}`?" if close else ""), help=f"the words are {', '.join(known)}"
            )
        if theirs.lower() not in lower:
            raise WrongUsage(f"the file has no column `{theirs}`", help=f"its columns are {', '.join(header)[:400]}")
        found[ours] = lower[theirs.lower()]
    for ours, names in known.items():
        free = [lower[name] for name in names if name in lower and lower[name] not in found.values()]
        if ours not in found and free:
            found[ours] = free[0]
    for group in _NEEDED[kind]:
        if not any(name in found for name in group):
            wanted = " or ".join(f"`{name}`" for name in group)
            raise WrongUsage(
                f"the file has no column for {wanted}",
                help=f"say which one it is: --column {group[0]}=THEIRS (its columns are {', '.join(header)[:300]})",
            )
    return Columns(kind, found, tuple(name for name in header if name not in found.values()))


def status_of(kind: Kind, said: str | None, dictionary: Dictionary) -> str | None:
    """Our status for theirs; None for one that nobody knows. No status is the ordinary one."""
    if said is None:
        return "sent" if kind == "sends" else "active"
    word = dictionary.statuses.get(said, said).strip().lower()
    return word if word == "not_sent" else _STATUSES[kind].get(word)


class Mails:
    """Finds the step that a mail of the other system is."""

    def __init__(self, definitions: Definitions, dictionary: Dictionary) -> None:
        self._definitions, self._dictionary = definitions, dictionary
        self._by_word: dict[str, set[tuple[str, str]]] = {}
        for sequence in definitions.sequences.values():
            for step in sequence.steps:
                for word in {step.id, f"{sequence.id}-{step.id}", *(choice.use for choice in step.choices)}:
                    self._by_word.setdefault(word, set()).add((sequence.id, step.id))

    def find(self, sequence: str | None, step: str | None, mail: str | None) -> tuple[str, str] | str | None:
        """(sequence, step), or None where the dictionary says that it is none of ours, or the reason why nobody can say."""
        if sequence is not None and step is not None:
            return self._named(sequence, step)
        word = mail or step or ""
        if word in self._dictionary.mails:
            said = self._dictionary.mails[word]
            if said is None:
                return None
            return self._named(*said.split("/", 1)) if "/" in said else f"the dictionary says `{said}` for the mail `{word}`; it has to be SEQUENCE/STEP"
        if "/" in word:
            return self._named(*word.split("/", 1))
        found = self._by_word.get(_as_id(word), set())
        if sequence is not None:
            found = {pair for pair in found if pair[0] == _as_id(sequence)}
        if len(found) == 1:
            return next(iter(found))
        if not word:
            return "it names no mail"
        if not found:
            return f"no step of ours is the mail `{word[:60]}`"
        return f"the mail `{word[:60]}` could be {' or '.join(sorted('/'.join(pair) for pair in found))}"

    def _named(self, sequence: str, step: str) -> tuple[str, str] | str:
        known = self._definitions.sequences.get(sequence) or self._definitions.sequences.get(_as_id(sequence))
        if known is None:
            return f"there is no sequence `{sequence[:60]}`"
        found = next((one.id for one in known.steps if one.id in (step, _as_id(step))), None)
        return (known.id, found) if found is not None else f"the sequence `{known.id}` has no step `{step[:60]}`"


def _as_id(word: str) -> str:
    """`Renewal_30_Days` as `renewal-30-days`."""
    return "-".join("".join(c if c.isascii() and c.isalnum() else " " for c in word.lower()).split())

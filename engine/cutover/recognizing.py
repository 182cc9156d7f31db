"""The rows of another system's log in our words: who got which step of which occurrence, and when; or the reason why nobody can say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from engine.clock import naive_utc, to_utc
from engine.cutover.dictionary import Columns, Dictionary, Mails, status_of
from engine.cutover.finding import Crm, Value, is_dated
from engine.cutover.logs import LogRow
from engine.cutover.reckoning import BY_HAND, Occasion, base_by_hand, occasion_of_date, value_of
from engine.definitions.definitions import Definitions
from engine.messages.addresses import normalize

# Statuses of a mail that was sent, and after which somebody may not want another.
ANSWERS = ("bounced", "complained", "unsubscribed")


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that cannot be taken. The reason names no person."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Sent:
    """One mail that the other system sent. `at` and `due_at` are naive UTC; `state` is sent or failed."""

    line: int
    sequence: str
    step: str
    entity: str
    record: str
    contact: str
    at: datetime
    state: str = "sent"
    address: str | None = None
    due_at: datetime | None = None
    locale: str | None = None
    message_id: str | None = None
    said_occurrence: str | None = None
    occasion: Occasion | None = None
    # What the CRM does not have: "contact" or "record"; the mail is known all the same.
    unknown: str = ""

    @property
    def identity(self) -> tuple[str, str, str, str, str]:
        """What makes two rows one mail, whatever the occurrence."""
        return self.sequence, self.step, self.entity, self.record, self.contact


@dataclass
class Recognized:
    """A log in our words. `not_ours` counts mails that the dictionary leaves out, `not_sent` rows of mails that never left, `answers` the
    sent ones that came back or were not wanted, by their status."""

    sent: list[Sent] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    not_ours: int = 0
    not_sent: int = 0
    reckoned: int = 0
    answers: dict[str, int] = field(default_factory=dict)


def moment_of(text: str, zone: str) -> datetime | None:
    """An instant as naive UTC, without fractions smaller than a microsecond; local time of the zone where it has no offset. None for no moment."""
    try:
        said = datetime.fromisoformat(text.strip().replace(" UTC", "+00:00"))
    except ValueError:
        return None
    try:
        return naive_utc(said.astimezone(UTC)) if said.tzinfo is not None else to_utc(said, zone)
    except (OverflowError, ValueError):
        return None


def address_of(text: str | None) -> str | None:
    """An address as the CRM's are compared: trimmed and in lower case. None for what is none."""
    return (normalize(text or "") or "").lower() or None


class Recognizer:
    """Reads rows against the definitions and the CRM at one now."""

    def __init__(self, definitions: Definitions, crm: Crm, dictionary: Dictionary, now: datetime) -> None:
        self.definitions, self.crm, self.dictionary, self.now = definitions, crm, dictionary, now
        self.zone = dictionary.timezone or definitions.project.timezone
        self.mails = Mails(definitions, dictionary)

    # --- sends ------------------------------------------------------------------------------------------------

    def sends(self, rows: Iterable[LogRow], columns: Columns, *, lenient: bool = False) -> Recognized:
        """Every row: taken, passed over or refused. `lenient`: people and records that the CRM does not have are taken as they are."""
        found = Recognized()
        drafts = list(self._drafts(rows, columns, found))
        self._find_records(drafts, found, columns)
        self.find_people((draft.contact, draft.address, draft.record, draft.entity) for draft in drafts)
        for draft in drafts:
            said = self._whole(draft, lenient)
            if isinstance(said, str):
                found.refused.append(Refused(draft.line, said))
            else:
                found.sent.append(said)
        found.sent = self._with_occasions(found.sent, found)
        found.refused.sort(key=lambda refused: refused.line)
        return found

    def _drafts(self, rows: Iterable[LogRow], columns: Columns, found: Recognized) -> Iterator[Sent]:
        for row in rows:
            said = self._draft(row, columns, found)
            if isinstance(said, str):
                found.refused.append(Refused(row.line, said))
            elif said is not None:
                yield said

    def _draft(self, row: LogRow, columns: Columns, found: Recognized) -> Sent | str | None:
        """A row by itself: which mail, and when. The record and the contact are as the file names them."""

        def get(name: str) -> str | None:
            return columns.get(row.values, name)

        mail = self.mails.find(get("sequence"), get("step"), get("mail"))
        if mail is None:
            found.not_ours += 1
            return None
        if isinstance(mail, str):
            return mail
        state = status_of("sends", get("status"), self.dictionary)
        if state is None:
            return f"nobody knows the status `{(get('status') or '')[:40]}`; say it under `statuses:` in the dictionary"
        if state == "not_sent":
            found.not_sent += 1
            return None
        at = moment_of(get("sent_at") or "", self.zone)
        if at is None:
            return "it has no moment when it was sent" if get("sent_at") is None else "when it was sent is not a moment such as 2026-01-05 09:00"
        if at > self.now:
            return "it was sent after now"
        answer = (get("status") or "").lower()
        if answer in ANSWERS:
            found.answers[answer] = found.answers.get(answer, 0) + 1
        sequence = self.definitions.sequences[mail[0]]
        due = get("due_at")
        return Sent(
            row.line, sequence.id, mail[1], sequence.about, self.record_said(row.values, columns, sequence.about) or "", get("contact") or "", at, state,
            get("address"), moment_of(due, self.zone) if due else None, get("locale"), get("message_id"), get("occurrence"),
        )  # fmt: skip

    def record_said(self, values: Mapping[str, str], columns: Columns, about: str) -> str | None:
        """The record as the file names it: in a column of its own, or in one named as the entity."""
        return columns.get(values, "record") or columns.get(values, about)

    def _find_records(self, drafts: list[Sent], found: Recognized, columns: Columns) -> None:
        """Records that the file names by another field than the key get their keys."""
        for entity, name in self.dictionary.keys.items():
            here = [place for place, draft in enumerate(drafts) if draft.entity == entity and draft.record]
            keys = self.crm.keys_by(entity, name, {drafts[place].record for place in here}) if here else {}
            for place in reversed(here):
                several = keys.get(drafts[place].record, ())
                if len(several) == 1:
                    drafts[place] = replace(drafts[place], record=several[0])
                else:
                    told = f"no {entity} has this `{name}`" if not several else f"{len(several)} records of {entity} have this `{name}`"
                    found.refused.append(Refused(drafts[place].line, told))
                    del drafts[place]

    def find_people(self, several: Iterable[tuple[str, str | None, str, str]]) -> None:
        """Look in the CRM for everybody that (contact, address, record, entity) could mean."""
        keys: set[str] = set()
        addresses: set[str] = set()
        for contact, address, record, entity in several:
            keys.add(contact)
            if address and (normal := address_of(address)):
                addresses.add(normal)
            if entity == self.definitions.crm.contact.entity:
                keys.add(record)
        self.crm.look_for_people(keys - {""}, addresses)

    def contact(self, contact: str, address: str | None, record: str, entity: str) -> str:
        """The contact's key. LookupError with a reason where nobody can say."""
        if contact:
            return contact
        if entity == self.definitions.crm.contact.entity and record:
            return record
        several = self.crm.by_address.get(address_of(address) or "", [])
        if len(several) == 1:
            return several[0]
        if not address:
            raise LookupError("it names neither a contact nor an address")
        raise LookupError("no contact has this address" if not several else f"{len(several)} contacts have this address, and no column names the one meant")

    def _whole(self, draft: Sent, lenient: bool) -> Sent | str:
        """With the contact and the record as the CRM has them, or the reason why not."""
        unknown = ""
        try:
            contact = self.contact(draft.contact, draft.address, draft.record, draft.entity)
        except LookupError as error:
            if not lenient:
                return str(error.args[0])
            contact, unknown = "", "contact"
        record = draft.record
        if draft.entity == self.definitions.crm.contact.entity:
            record = contact
        if not record and not unknown:
            return f"it names no {draft.entity}, which the sequence `{draft.sequence}` is about"
        person = self.crm.people.get(contact)
        address = address_of(draft.address) or (person.address if person else None)
        return replace(draft, contact=contact, record=record, address=address, locale=draft.locale or (person.locale if person else None), unknown=unknown)

    # --- occurrences --------------------------------------------------------------------------------------------

    def _with_occasions(self, sent: list[Sent], found: Recognized) -> list[Sent]:
        """Each mail with its occurrence; one that the file names wrongly is refused."""
        done: list[Sent] = []
        records: dict[str, set[str]] = {}
        for one in sent:
            records.setdefault(one.sequence, set()).add(one.record)
        values = {sequence: self.crm.values(sequence, keys) for sequence, keys in records.items() if is_dated(self.definitions, sequence)}
        first: dict[tuple[str, str, str], datetime] = {}
        for one in sorted(sent, key=lambda one: (one.at, one.line)):
            try:
                occasion = self.occasion(one.sequence, one.step, one.record, one.said_occurrence, one.at, values, first)
            except ValueError:
                found.refused.append(
                    Refused(one.line, f"`{(one.said_occurrence or '')[:40]}` is no occurrence of `{one.sequence}`; one is a date such as 2026-12-31")
                )
                continue
            found.reckoned += occasion.reckoned
            done.append(replace(one, occasion=occasion))
        return done

    def occasion(
        self,
        sequence_id: str,
        step_id: str | None,
        record: str,
        said: str | None,
        at: datetime,
        values: Mapping[str, Mapping[str, Value]],
        first: dict[tuple[str, str, str], datetime],
    ) -> Occasion:
        """The occurrence of one mail. ValueError for a key that the trigger cannot have."""
        sequence = self.definitions.sequences[sequence_id]
        step = next((step for step in sequence.steps if step.id == step_id), None)
        if not is_dated(self.definitions, sequence_id):
            key = said or BY_HAND
            # All steps of one path have one base: that of the mail that came first.
            base = first.setdefault((sequence_id, record, key), base_by_hand(self.definitions, sequence, step, at) if step is not None else at)
            return Occasion(key, None, base)
        value = values.get(sequence_id, {}).get(record)
        if said is None:
            return occasion_of_date(self.definitions, sequence, step, value, at, is_date=self.crm.is_date(sequence_id))
        base_date, base_at = value_of(said)
        return Occasion(said, base_date, base_at)

"""The ledger's rows for people: sends, enrollments, and one send with all that is known of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from engine.definitions.definitions import Definitions
from engine.ledger.history import EnrollmentRow, Page, RunRow, SendDetail, SendRow
from engine.ledger.past import is_imported
from engine.runs.pending import PendingEnrollment
from engine.views.escaping import for_terminal, one_line, to_json
from engine.views.held import NOTHING_HELD, Held, HeldBy, held_json, held_words
from engine.views.ink import PLAIN, Ink
from engine.views.naming import Naming
from engine.views.phrases import iso, moment, occurrence, stamp, table, wrapped
from engine.views.plan_json import FORMAT_VERSION
from engine.views.reasons import held_for, passed_over, short

# The other sends of one mail that are named; the rest is counted.
_OTHERS = 5
# What was told of one mail; a mail can be opened many times over.
_TOLD = 20

# --- sends ---------------------------------------------------------------------------------------------------------


def send_row(row: SendRow, naming: Naming, zone: str) -> dict[str, Any]:
    """A send for machines; the address only where personal data was asked for."""
    value: dict[str, Any] = {
        "send_key": row.send_key,
        "state": row.state,
        "reason": row.reason,
        "sequence": row.sequence,
        "step": row.step,
        "about": {"entity": row.entity, "key": naming.record(row.entity, row.record)},
        "occurrence": naming.occurrence(row.sequence, row.entity, row.record, row.occurrence),
        "contact": naming.contact(row.contact),
        "due_at": iso(row.due_at, zone),
        "decided_at": iso(row.decided_at, zone),
        "sent_at": iso(row.sent_at, zone),
        "template": row.template,
        "locale": row.locale,
        "attempts": row.attempts,
        "run_id": row.run_id,
        "commit": row.commit,
    }
    if naming.show_pii:
        value["address"] = row.address
    return value


def sends_json(page: Page[SendRow], naming: Naming, zone: str) -> str:
    rows = [send_row(row, naming, zone) for row in page.rows]
    return to_json({"format_version": FORMAT_VERSION, "kind": "sends", "total": page.total, "offset": page.offset, "sends": rows}, indent=1) + "\n"


def sends_text(page: Page[SendRow], naming: Naming, zone: str, *, width: int = 80, ink: Ink = PLAIN) -> str:
    if not page.rows:
        return "No sends.\n"
    rows = [
        tuple(
            one_line(cell)
            for cell in (
                row.send_key[:8],
                row.state,
                stamp(row.sent_at or row.decided_at, zone),
                f"{row.sequence}/{row.step}",
                (row.address or "") if naming.show_pii else str(naming.contact(row.contact)),
            )
        )
        for row in page.rows
    ]
    lines = table(("send", "state", "when", "step", "contact"), rows, width, indent="", give=(3,))
    return "\n".join([ink.faint(lines[0]), *lines[1:], *_more(len(page.rows), page.total, page.offset)]) + "\n"


def _more(shown: int, total: int, offset: int) -> list[str]:
    if shown + offset >= total and offset == 0:
        return []
    rest = f"; --offset {offset + shown} shows more" if offset + shown < total else ""
    return [f"{offset + 1:,} to {offset + shown:,} of {total:,}{rest}"]


# --- enrollments ---------------------------------------------------------------------------------------------------


def enrollments_json(
    page: Page[EnrollmentRow], naming: Naming, zone: str, held: Held = NOTHING_HELD, pending: Sequence[PendingEnrollment] = (), all_pending: int = 0
) -> str:
    """Those of the ledger, the latest first. `pending` are those of this page by hand that no apply has seen: before the others, and of `total` as they are."""
    rows = [_pending_row(one, naming, zone, held) for one in pending] + [_enrollment_row(row, naming, zone, held) for row in page.rows]
    counts = {"total": page.total, "offset": page.offset, "pending": all_pending}
    return to_json({"format_version": FORMAT_VERSION, "kind": "enrollments", **counts, "enrollments": rows}, indent=1) + "\n"


def _enrollment_row(row: EnrollmentRow, naming: Naming, zone: str, held: Held) -> dict[str, Any]:
    order = _over(held, row)
    file = _file_of(row, naming.definitions)
    return {
        "sequence": row.sequence,
        "about": {"entity": row.entity, "key": naming.record(row.entity, row.record)},
        "occurrence": naming.occurrence(row.sequence, row.entity, row.record, row.occurrence),
        "contact": naming.contact(row.contact),
        "status": status_of(row, order),
        **_held_fields(order, zone),
        "enrolled_by": row.enrolled_by or (file[0] if file else None),
        "note": row.note or (file[1] if file else "") or None,
        "began": iso(row.began, zone),
        "ended": iso(row.exit_at, zone),
        "reason": row.exit_reason,
        "sends": row.sends,
        "last_step": row.last_step,
        "last_decided_at": iso(row.last_decided_at, zone),
    }


def _held_fields(order: HeldBy | None, zone: str) -> dict[str, Any]:
    is_cancelled = order is not None and order.action == "cancelled"
    return {"paused": held_json(None if is_cancelled else order, zone), "cancelled": held_json(order if is_cancelled else None, zone)}


def _pending_row(one: PendingEnrollment, naming: Naming, zone: str, held: Held) -> dict[str, Any]:
    order = _over_pending(held, one, naming)
    return {
        "sequence": one.sequence,
        "about": {"entity": one.entity, "key": naming.record(one.entity, one.record)},
        "occurrence": naming.occurrence(one.sequence, one.entity, one.record, one.occurrence),
        "contact": naming.contact(one.record) if one.entity == naming.definitions.crm.contact.entity else None,
        "status": _status_held(order) if order is not None else "pending",
        **_held_fields(order, zone),
        "enrolled_by": None,
        "note": None,
        "began": iso(one.at, zone),
        "ended": None,
        "reason": None,
        "sends": 0,
        "last_step": None,
        "last_decided_at": None,
    }


def _file_of(row: EnrollmentRow, definitions: Definitions) -> tuple[str, str] | None:
    """The reviewed file of `definitions/enrollments/` that enrolled it, and its note (3.5): its id is the occurrence."""
    found = definitions.enrollments.get(row.occurrence)
    if found is None or found.sequence != row.sequence:
        return None
    return definitions.where("enrollment", row.occurrence).file, found.note


def _over(held: Held, row: EnrollmentRow) -> HeldBy | None:
    """The order over one that is on its way, or the one that ended it."""
    if row.exit_at is not None and row.exit_reason != "cancelled":
        return None
    found = held.over(row.sequence, row.entity, row.record, row.occurrence, row.contact)
    # Who has left is not held by anything that holds others.
    return found if found is None or row.exit_at is None or found.action == "cancelled" else None


def _over_pending(held: Held, one: PendingEnrollment, naming: Naming) -> HeldBy | None:
    """The order over one that no apply has seen: whom it would write to is known only where it is about a contact."""
    return held.over(one.sequence, one.entity, one.record, one.occurrence, one.record if one.entity == naming.definitions.crm.contact.entity else "")


def status_of(row: EnrollmentRow, held: HeldBy | None = None) -> str:
    """pending, active, paused, completed or cancelled, as the ledger knows it; `held` is the order over it."""
    if row.exit_at is not None:
        return "completed" if row.exit_reason == "complete" else "cancelled"
    if held is not None:
        return _status_held(held)
    return "active" if row.last_step else "pending"


def _status_held(order: HeldBy) -> str:
    # What is stopped is paused until it is started again: the five words are all there are (semantics 2).
    return "cancelled" if order.action == "cancelled" else "paused"


def enrollments_text(
    page: Page[EnrollmentRow],
    naming: Naming,
    zone: str,
    *,
    width: int = 80,
    ink: Ink = PLAIN,
    held: Held = NOTHING_HELD,
    pending: Sequence[PendingEnrollment] = (),
) -> str:
    if not page.rows and not pending:
        return "No enrollments.\n"
    said: dict[str, int] = {}
    rows = []
    for one in pending:
        order = _over_pending(held, one, naming)
        words = "pending: enrolled by hand, and no apply has looked at it yet" if order is None else held_words(order, zone)
        said[words] = said.get(words, 0) + 1
        rows.append(_pending_cells(one, naming, zone, "pending" if order is None else _status_held(order)))
    for row in page.rows:
        order = _over(held, row)
        for words in _beside_it(row, order, naming.definitions, zone):
            said[words] = said.get(words, 0) + 1
        rows.append(
            (
                str(naming.contact(row.contact)),
                row.sequence,
                _about(row.entity, row.record, naming),
                status_of(row, order),
                stamp(row.began, zone)[:10],
                row.last_step or "",
                str(row.sends),
            )
        )
    head = ["contact", "sequence", "about", "status", "enrolled", "last step", "mails"]
    cells = [[one_line(cell) for cell in row] for row in rows]
    if not any(row[2] for row in cells):
        del head[2]
        cells = [[*row[:2], *row[3:]] for row in cells]
    # Keys are cut last: they are there to be copied.
    lines = table(head, cells, width, right=(len(head) - 1,), indent="", give=(1, 2) if "about" in head else (1,))
    below = [line for words, count in said.items() for line in wrapped(one_line(f"{count:,} {words}"), width, rest="  ")]
    return "\n".join([ink.faint(lines[0]), *lines[1:], *_more(len(rows), page.total, page.offset), *([""] if below else []), *below]) + "\n"


def _beside_it(row: EnrollmentRow, order: HeldBy | None, definitions: Definitions, zone: str) -> Iterator[str]:
    """What the table has no room for: who holds or ended it, else why it ended; who enrolled it."""
    if order is not None:
        yield held_words(order, zone)
    elif row.exit_reason is not None and row.exit_reason != "complete":
        yield f"cancelled: {short(row.exit_reason)}"
    file = _file_of(row, definitions)
    if row.enrolled_by:
        yield f"enrolled by {row.enrolled_by}, {moment(row.base_at or row.began, zone)}{': ' + row.note if row.note else ''}"
    elif file is not None:
        yield f"enrolled by {file[0]}{': ' + file[1] if file[1] else ''}"


def _pending_cells(one: PendingEnrollment, naming: Naming, zone: str, status: str) -> tuple[str, ...]:
    is_contact = one.entity == naming.definitions.crm.contact.entity
    who = str(naming.contact(one.record)) if is_contact else ""
    return who, one.sequence, _about(one.entity, one.record, naming), status, stamp(one.at, zone)[:10], "", "0"


def _about(entity: str, record: str, naming: Naming) -> str:
    """The record, where it is not the contact itself."""
    return "" if entity == naming.definitions.crm.contact.entity else f"{entity} {naming.record(entity, record)}"


# --- one send ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SendPage:
    """One send; its run where that is one of the last."""

    detail: SendDetail
    run: RunRow | None
    naming: Naming
    zone: str


def send_json(page: SendPage) -> str:
    detail, zone = page.detail, page.zone
    value: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "kind": "send",
        **send_row(detail.row, page.naming, zone),
        "expires_at": iso(detail.expires_at, zone),
        "not_before": iso(detail.not_before, zone),
        "detail": detail.detail,
        "transport": detail.transport,
        "message_id": detail.message_id,
        "provider_message_id": detail.provider_message_id,
        "payload_hash": detail.payload_hash,
        "definitions": page.run.definitions_digest if page.run else None,
        "same_mail": [other.send_key for other in detail.others],
        "history": [
            {
                "started_at": iso(attempt.started_at, zone),
                "ended_at": iso(attempt.ended_at, zone),
                "transport": attempt.transport,
                "outcome": attempt.outcome,
                "phase": attempt.phase,
                "code": attempt.code,
                "message": attempt.text,
            }
            for attempt in detail.attempts
        ],
        "feedback": [{"kind": one.kind, "at": iso(one.at, zone)} for one in detail.told],
    }
    if page.naming.show_pii:
        value |= {"sender": detail.sender, "recipient": detail.recipient, "subject": detail.subject, "variables": detail.variables}
    return to_json(value, indent=1) + "\n"


def send_text(page: SendPage, *, width: int = 80, ink: Ink = PLAIN, command: Callable[[str], str] = lambda words: f"engine {words}") -> str:
    return "\n".join(_send_lines(page, width, ink, command)) + "\n"


def _send_lines(page: SendPage, width: int, ink: Ink, command: Callable[[str], str]) -> Iterator[str]:
    detail, row, zone, naming = page.detail, page.detail.row, page.zone, page.naming
    yield ink.strong(f"Send {row.send_key}")
    yield ""
    facts = {
        "state": row.state + (f": {passed_over(row.reason, detail.detail)}" if row.reason else "") + _beside(detail.detail),
        "step": f"{row.sequence}, {row.step}",
        "about": f"{row.entity} {naming.record(row.entity, row.record)}, {occurrence(naming.occurrence(row.sequence, row.entity, row.record, row.occurrence), zone)}",
        "contact": str(naming.contact(row.contact)),
        "address": (row.address or "forgotten") if naming.show_pii and row.state != "skipped" else "",
        "template": f"{row.template} ({row.locale})" if row.template else "",
        "due": moment(row.due_at, zone) if row.due_at else "",
        "sent": moment(row.sent_at, zone) if row.sent_at else "",
        "again": f"not before {moment(detail.not_before, zone)}" if detail.not_before and row.state == "planned" else "",
        "transport": detail.transport or "",
        "message": detail.message_id or "",
        "with": _with_others(page),
        "decided": f"{moment(row.decided_at, zone)}, {row.run_id if is_imported(row.run_id) else f'run {row.run_id[:8]}'}",
        "commit": row.commit or ("by another system" if is_imported(row.run_id) else "not committed in git"),
        "definitions": page.run.definitions_digest if page.run else "",
    }
    for name, value in facts.items():
        if value:
            yield from wrapped(one_line(value), width, first=f"  {name:<12} ")
    if detail.attempts:
        yield ""
        yield ink.strong("Attempts")
        for attempt in detail.attempts:
            said = " ".join(
                str(part) for part in (attempt.outcome or "no answer", f"({attempt.phase})" if attempt.phase else "", attempt.code or "", attempt.text) if part
            )
            yield from wrapped(one_line(f"{moment(attempt.started_at, zone)}  {attempt.transport}  {said}"), width, first="  ", rest="    ")
    if detail.told:
        yield ""
        yield ink.strong("Feedback")
        if len(detail.told) > _TOLD:
            yield f"  {len(detail.told) - _TOLD:,} earlier ones"
        # The last ones: behind many opens may stand a complaint.
        for one in detail.told[-_TOLD:]:
            yield f"  {moment(one.at, zone)}  {one.kind}"
    if row.state == "unknown":
        yield ""
        yield f"To settle: {command(f'resolve {row.send_key[:8]} --as sent')}   (or failed, or resend)"
    if detail.payload is not None:
        yield ""
        if naming.show_pii:
            yield from _letter(detail.payload)
        else:
            yield "The mail itself is kept; --show-pii shows it, and --raw its bytes."


def _beside(detail: str | None) -> str:
    return f" ({detail})" if detail and held_for(detail) is None else ""


def _with_others(page: SendPage) -> str:
    """The other sends of the same mail (4.8), some of many."""
    others, naming = page.detail.others, page.naming
    named = [f"{one.send_key[:8]} ({one.entity} {naming.record(one.entity, one.record)})" for one in others[:_OTHERS]]
    more = f", and {len(others) - _OTHERS:,} more" if len(others) > _OTHERS else ""
    return f"{len(others):,} more {'record' if len(others) == 1 else 'records'} in the same mail: {', '.join(named)}{more}" if others else ""


def _letter(payload: bytes) -> Iterator[str]:
    from engine.delivery.letters import read_letter

    letter = read_letter(payload)
    yield f"From:    {letter.sender}"
    yield f"To:      {letter.to}"
    yield f"Subject: {letter.subject}"
    yield ""
    yield from (f"    {line}".rstrip() for line in for_terminal(letter.text).splitlines())

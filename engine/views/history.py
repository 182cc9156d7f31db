"""The ledger's rows for people: sends, enrollments, and one send with all that is known of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from engine.ledger.history import ControlRow, EnrollmentRow, Page, RunRow, SendDetail, SendRow
from engine.ledger.past import is_imported
from engine.views.escaping import for_terminal, one_line, to_json
from engine.views.held import NOTHING_HELD, Held, held_json, held_words
from engine.views.ink import PLAIN, Ink
from engine.views.naming import Naming
from engine.views.phrases import iso, moment, occurrence, stamp, table, wrapped
from engine.views.plan_json import FORMAT_VERSION
from engine.views.reasons import held_for, passed_over, short

# The other sends of one mail that are named; the rest is counted.
_OTHERS = 5

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


def enrollments_json(page: Page[EnrollmentRow], naming: Naming, zone: str, held: Held = NOTHING_HELD) -> str:
    rows = [
        {
            "sequence": row.sequence,
            "about": {"entity": row.entity, "key": naming.record(row.entity, row.record)},
            "occurrence": naming.occurrence(row.sequence, row.entity, row.record, row.occurrence),
            "contact": naming.contact(row.contact),
            "status": status_of(row, _over(held, row)),
            "paused": held_json(_over(held, row, "paused"), zone),
            "cancelled": held_json(_over(held, row, "cancelled"), zone),
            "enrolled_by": row.enrolled_by,
            "note": row.note or None,
            "began": iso(row.began, zone),
            "ended": iso(row.exit_at, zone),
            "reason": row.exit_reason,
            "sends": row.sends,
            "last_step": row.last_step,
            "last_decided_at": iso(row.last_decided_at, zone),
        }
        for row in page.rows
    ]
    return to_json({"format_version": FORMAT_VERSION, "kind": "enrollments", "total": page.total, "offset": page.offset, "enrollments": rows}, indent=1) + "\n"


def _over(held: Held, row: EnrollmentRow, action: str | None = None) -> ControlRow | None:
    """The order over one that is on its way."""
    found = held.over(row.sequence, row.entity, row.record, row.occurrence, row.contact) if row.exit_at is None else None
    return found if found is not None and action in (None, found.action) else None


def status_of(row: EnrollmentRow, held: ControlRow | None = None) -> str:
    """pending, active, paused, completed or cancelled, as the ledger knows it; `held` is the order over it."""
    if row.exit_at is not None:
        return "completed" if row.exit_reason == "complete" else "cancelled"
    if held is not None:
        return held.action
    return "active" if row.last_step else "pending"


def enrollments_text(page: Page[EnrollmentRow], naming: Naming, zone: str, *, width: int = 80, ink: Ink = PLAIN, held: Held = NOTHING_HELD) -> str:
    if not page.rows:
        return "No enrollments.\n"
    orders: dict[str, int] = {}
    contact_entity = naming.definitions.crm.contact.entity
    rows = []
    for row in page.rows:
        about = "" if row.entity == contact_entity else f"{row.entity} {naming.record(row.entity, row.record)}"
        how = f" ({short(row.exit_reason)})" if row.exit_reason and row.exit_reason != "complete" else ""
        order = _over(held, row)
        if order is not None:
            words = held_words(order, zone)
            orders[words] = orders.get(words, 0) + 1
        if row.enrolled_by:
            words = f"enrolled by {row.enrolled_by}, {moment(row.base_at or row.began, zone)}{': ' + row.note if row.note else ''}"
            orders[words] = orders.get(words, 0) + 1
        rows.append(
            tuple(
                one_line(cell)
                for cell in (str(naming.contact(row.contact)), row.sequence, about, status_of(row, order) + how, row.last_step or "", str(row.sends))
            )
        )
    lines = table(("contact", "sequence", "about", "status", "last step", "mails"), rows, width, right=(5,), indent="", give=(2,))
    said = [line for words, count in orders.items() for line in wrapped(one_line(f"{count:,} {words}"), width, rest="  ")]
    return "\n".join([ink.faint(lines[0]), *lines[1:], *_more(len(page.rows), page.total, page.offset), *([""] if said else []), *said]) + "\n"


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

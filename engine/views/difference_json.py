"""A difference for machines (interface.md §4's words; `kind` is diff)."""

from __future__ import annotations

from typing import Any

from engine import __version__
from engine.plan.plan import COUNTERS
from engine.rehearsal.course import Blocked, Course
from engine.rehearsal.difference import KINDS, Difference, StepChange, Volume
from engine.views.escaping import to_json
from engine.views.naming import Naming
from engine.views.phrases import iso
from engine.views.plan_json import FORMAT_VERSION, diagnostic, guard_row, plain


def as_json(found: Difference, naming: Naming) -> str:
    value = {
        "format_version": FORMAT_VERSION,
        "kind": "diff",
        "engine_version": __version__,
        "now": iso(found.now, found.timezone),
        "until": iso(found.until, found.timezone),
        "timezone": found.timezone,
        "has_changes": found.changes_mail,
        "blocks": bool(found.blocked),
        "applyable": not found.refused,
        "base": {"ref": found.base, **_side(found, found.before, found.was)},
        "head": {"ref": found.head, **_side(found, found.after, found.will)},
        **{f"{kind}s" if kind not in ("later", "sooner", "same", "loss") else {"loss": "losses"}.get(kind, kind): found.total(kind) for kind in KINDS[:-1]},
        "people_touched": found.touched,
        "people_gaining": found.people.get("gain", 0),
        "people_losing": found.people.get("loss", 0),
        "first": found.first.isoformat() if found.first else None,
        "edits": [
            {
                "kind": str(one.kind),
                "sequence": one.sequence,
                "step": one.step,
                "what": one.what,
                "words": one.words,
                "rule": one.rule,
                "effect": one.effect,
                "source": {"file": one.place.file, "line": one.place.line} if one.place else None,
            }
            for one in found.edits
        ],
        "changes": [_step(step, naming) for step in found.steps],
        "in_flight": [
            {
                "sequence": one.sequence,
                "was": {"decision": one.was[0], "at": one.was[1]},
                "now": {"decision": one.now[0], "at": one.now[1]},
                "people": one.people,
            }
            for one in found.flights
        ],
        "unreached": [{"sequence": one.sequence, "step": one.step, "was": one.was, "now": one.now} for one in found.unreached],
        "guards": [*(_blocked(one, found, caused=True) for one in found.blocked), *(_blocked(one, found, caused=False) for one in found.blocked_anyway)],
        "diagnostics": [diagnostic(one) for one in (*found.refused, *found.unjudged)],
    }
    return to_json(value, indent=1) + "\n"


def _side(found: Difference, course: Course, volume: Volume) -> dict[str, Any]:
    return {
        "digest": course.definitions.digest,
        "commit": course.definitions.commit,
        "mails": volume.mails,
        "people": volume.people,
        "most_to_one_contact": volume.most,
        "contacts_with_the_most": volume.crowd,
        "most_by_sequence": dict(volume.burden),
        "days": {date.isoformat(): count for date, count in volume.days.items()},
        "followed_until": iso(course.reached, found.timezone),
        "instants": len(course.instants),
        "summary": {name: course.first.summary[name] for name in COUNTERS},
    }


def _step(step: StepChange, naming: Naming) -> dict[str, Any]:
    return {
        "sequence": step.sequence,
        "step": step.step,
        "gains": step.gains,
        "losses": step.losses,
        "moves": step.moves,
        "later": step.counts.get("later", 0),
        "sooner": step.counts.get("sooner", 0),
        "text": step.changed,
        "kept": step.counts.get("same", 0),
        "untouched": step.untouched,
        "mails": dict(zip(("before", "after"), step.mails, strict=True)),
        "records": dict(zip(("before", "after"), step.items or step.mails, strict=True)),
        "records_with_other_people": step.records,
        "records_with_fewer_people": step.fewer,
        "first": step.first.isoformat() if step.first else None,
        "shifts": [{"seconds": int(by.total_seconds()), "mails": count} for by, count in step.shifts],
        "not_sent_because": dict(step.reasons),
        "gaining": sorted(str(naming.contact(key)) for key in step.gaining),
        "losing": sorted(str(naming.contact(key)) for key in step.losing),
    }


def _blocked(one: Blocked, found: Difference, *, caused: bool) -> dict[str, Any]:
    return {**guard_row(one.guard), "observed": plain(one.most), "at": iso(one.at, found.timezone), "because_of_the_change": caused}

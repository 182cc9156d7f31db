"""What came of the campaign tests: only the rows that differ, each with the engine's reason; JSON and JUnit for machines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape, quoteattr

from engine.views.escaping import one_line, to_json
from engine.views.explanation import note_words
from engine.views.ink import PLAIN, Ink
from engine.views.phrases import counted, joined, stamp, wrapped
from engine.views.plan_json import FORMAT_VERSION
from engine.views.problems import calm
from engine.views.reasons import short

if TYPE_CHECKING:
    from engine.rehearsal.proof import Proof, Proved
    from engine.rehearsal.proving import Happened
    from engine.rehearsal.verdict import Differs, Instead
    from engine.runs.explaining import Note

_WAS = {"sends": "sent", "skips": "passed over", "holds": "held", "exits": "left", "unreached": "unreached"}
_INSTEAD = {"send": "it was sent", "wait": "it waits", "hold": "it is held", "skip": "it was passed over", "exit": "the way ended", "complete": "the way was over",
            "unreached": "nobody can be told"}  # fmt: skip


def as_text(proof: Proof, *, width: int = 80, ink: Ink = PLAIN, update: str = "engine test --update", others: int = 0) -> str:
    """The cases that do not hold, then one line of counts. `others` is how many cases were not chosen."""
    lines: list[str] = []
    for proved in proof.results:
        if not proved.holds:
            lines += [*_case(proved, proof.zone, width, ink), ""]
    bad = [proved for proved in proof.results if not proved.holds]
    files = len({proved.file.path for proved in proof.results})
    what = f"{counted(len(proof.results), 'case')} in {counted(files, 'file')}"
    if bad:
        lines.append(ink.bad(f"{what}: {len(bad):,} {'does' if len(bad) == 1 else 'do'} not hold.") + _cost(proof))
        lines += wrapped("Where the engine is right and the case is not, this writes what happened into the files:", width)
        lines.append(f"  {update}")
    elif proof.results:
        lines.append(ink.good(f"{what}: {'it holds' if len(proof.results) == 1 else 'all hold'}.") + _cost(proof))
    elif others:
        lines += wrapped(f"No case is about what was selected; {counted(others, 'case is', 'cases are')} about other sequences.", width)
    else:
        lines += wrapped(
            "There are no campaign tests yet. A case is a file of definitions/tests/; `engine test --from CONTACT` writes one from real data.", width
        )
    if proof.untested and proof.results:
        names = joined([f"`{one_line(id)}`" for id in proof.untested])
        lines += wrapped(f"No case names {names}.", width)
    return "\n".join(lines) + "\n"


def _cost(proof: Proof) -> str:
    return f" {counted(proof.plans, 'plan')}, {proof.seconds:.1f} s."


def _case(proved: Proved, zone: str, width: int, ink: Ink) -> Iterator[str]:
    yield ink.bad("FAILS ") + ink.strong(one_line(proved.case.name))
    yield f"  {proved.origin.file}:{proved.origin.line}"
    for place, one in enumerate(proved.differs):
        yield from _differs(one, proved.notes.get(place, ()), zone, width, ink)


def _differs(one: Differs, notes: tuple[Note, ...], zone: str, width: int, ink: Ink) -> Iterator[str]:
    was = _WAS[one.kind]
    if one.expected is None and one.happened is not None:
        yield from wrapped(f"+ {was}, and not expected: {_happened(one.happened, zone)}", width, first="    ", rest="      ")
        return
    if one.happened is not None:
        yield from wrapped(f"~ {was}, but otherwise: {_expected(one)}", width, first="    ", rest="      ")
        for unlike in one.unlike:
            yield from wrapped(f"{unlike.field}: expected {one_line(unlike.expected)}", width, first="        ", rest="          ")
            yield from wrapped(f"{'was':>{len(unlike.field) + 9}} {one_line(unlike.found)}", width, first="        ", rest="          ")
        return
    yield from wrapped(f"- expected, and not {was}: {_expected(one)}", width, first="    ", rest="      ")
    for said in one.instead:
        yield from wrapped(_instead(said, one, zone), width, first="        ", rest="          ")
    for note in notes:
        yield from wrapped(one_line(f"nobody is on the way for {_about(note, one)}: {note_words(note, zone)}"), width, first="        ", rest="          ")
    if not one.instead and not notes:
        yield from wrapped(
            "nothing begins for it: no such record, nobody enrolled by hand (`enrolled:` of the case), or none that matches the trigger",
            width, first="        ", rest="          ",
        )  # fmt: skip


def _about(note: Note, one: Differs) -> str:
    """The record that a note is about, and the contact where it is about one of its people."""
    contact = f", contact {note.contact}" if note.contact not in (None, "", note.record) else ""
    return f"{one.entity} {note.record}{contact}"


def _expected(one: Differs) -> str:
    row = one.expected
    assert row is not None  # asked only where something was expected
    said = [f"{name} {getattr(row, name)}" for name in ("record", "contact", "on", "reason") if getattr(row, name, None) is not None]
    return one_line(", ".join([" ".join(filter(None, (row.sequence, row.step))), *said]))


def _happened(row: Happened, zone: str) -> str:
    said = [f"{row.entity} {row.record}"] if row.contact != row.record or row.entity != "contact" else []
    said += [f"contact {row.contact}"] if row.contact else []
    said += [stamp(row.moments[0], zone)]
    said += [short(row.reason)] if row.kind != "sends" else []
    return one_line(", ".join([" ".join(filter(None, (row.sequence, row.step))), *said]))


def _instead(said: Instead, one: Differs, zone: str) -> str:
    step = f" at {said.step}" if said.step and (one.expected is None or said.step != one.expected.step) else ""
    detail = f" ({said.detail})" if said.detail else ""
    words = short(said.reason)
    why = said.reason if words == said.reason else f"{said.reason}: {words}"
    due = f", due {stamp(said.due, zone)}" if said.due is not None and said.decision in ("wait", "hold", "skip") else ""
    return one_line(f"{stamp(said.moment, zone)}: {_INSTEAD[said.decision]}{step}, {why}{detail}{due}")


def as_json(proof: Proof) -> str:
    value = {
        "format_version": FORMAT_VERSION,
        "kind": "tests",
        "summary": {"cases": len(proof.results), "failed": sum(not proved.holds for proved in proof.results), "plans": proof.plans, "seconds": round(proof.seconds, 3)},
        "untested": list(proof.untested),
        "cases": [_case_data(proved, proof.zone) for proved in proof.results],
    }  # fmt: skip
    return to_json(value, indent=1) + "\n"


def _case_data(proved: Proved, zone: str) -> dict[str, Any]:
    return {
        "name": proved.case.name,
        "source": {"file": proved.origin.file, "line": proved.origin.line},
        "holds": proved.holds,
        "plans": proved.ran.plans,
        "differences": [" ".join(line.split()) for line in _lines(proved, zone)],
    }


def _lines(proved: Proved, zone: str) -> list[str]:
    """Each difference and each reason on a line of its own."""
    return [line for place, one in enumerate(proved.differs) for line in _differs(one, proved.notes.get(place, ()), zone, 10_000, PLAIN)]


def as_junit(proof: Proof) -> str:
    """One suite; a case's class is its file."""
    cases = "".join(_junit_case(proved, proof.zone) for proved in proof.results)
    failed = sum(not proved.holds for proved in proof.results)
    head = f'<testsuite name="engine test" tests="{len(proof.results)}" failures="{failed}" errors="0" time="{proof.seconds:.3f}">'
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n  {head}\n{cases}  </testsuite>\n</testsuites>\n'


def _junit_case(proved: Proved, zone: str) -> str:
    suite = proved.file.path.removeprefix("definitions/tests/").removesuffix(".yaml").replace("/", ".")
    head = f'<testcase classname={quoteattr(calm(suite))} name={quoteattr(calm(proved.case.name))} file={quoteattr(proved.origin.file)} line="{proved.origin.line}" time="{proved.seconds:.3f}"'
    if proved.holds:
        return f"    {head}/>\n"
    lines = _lines(proved, zone)
    body = escape("".join(f"{calm(line)}\n" for line in lines))
    return f"    {head}><failure message={quoteattr(calm(' '.join(lines[0].split())))}>{body}</failure></testcase>\n"


FORMATS = ("text", "json", "junit")

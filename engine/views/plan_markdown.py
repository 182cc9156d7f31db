"""A plan as Markdown, for the comment of a merge request."""

from __future__ import annotations

from collections.abc import Iterator

from engine.plan.gates import Decided
from engine.views.changed import SHOWN, sentence
from engine.views.escaping import for_markdown
from engine.views.guards_text import shown
from engine.views.phrases import counted, moment
from engine.views.plan_json import PlanPage
from engine.views.plan_text import lines_of, mails_about, narrowed_to, notes_of
from engine.views.reasons import passed_over

_COLUMNS = ("send", "wait", "hold", "exit", "complete", "skipped_steps", "unreached", "upcoming")


def as_markdown(page: PlanPage) -> str:
    return "\n".join(_lines(page)) + "\n"


def _lines(page: PlanPage) -> Iterator[str]:
    plan = page.plan
    yield f"### Plan: {for_markdown(plan.definitions.project.name)} ({for_markdown(plan.environment)})"
    yield ""
    if page.narrowed:
        yield for_markdown(narrowed_to(page))
        yield ""
    yield f"**{mails_about(page)}** would go at {for_markdown(f'{moment(plan.now, page.zone)} {page.zone}')}."
    yield ""
    for problem in page.refused:
        place = f" ({problem.origin})" if problem.origin else ""
        yield f"> **An apply refuses this: {for_markdown(f'{problem.code}: {problem.message}{place}')}** {for_markdown(problem.help)}"
        yield ""
    if page.changed:
        yield "Changed since the last apply:"
        yield ""
        yield from (f"- {for_markdown(sentence(one))}" for one in page.changed[:SHOWN])
        if len(page.changed) > SHOWN:
            yield f"- and {len(page.changed) - SHOWN} more; `--format json` has them all"
        yield ""
    yield "| sequence | send | wait | hold | exit | done | skipped steps | unreached | upcoming |"
    yield "| --- |" + " ---: |" * len(_COLUMNS)
    for sequence in plan.sequences:
        yield f"| {for_markdown(sequence.id)} | " + " | ".join(f"{sequence.counts.get(name, 0):,}" for name in _COLUMNS) + " |"
    yield ""
    yield from _why(page)
    for guard in plan.guards:
        if not guard.passed:
            about = f" of {for_markdown(guard.sequence)}" if guard.sequence else ""
            yield f"- **Guard {for_markdown(guard.id)}**{about}: {shown(guard, guard.observed)}, the limit is {shown(guard, guard.limit)}"
    if all(guard.passed for guard in plan.guards):
        yield f"{counted(len(plan.guards), 'guard')} checked, all within their limits."
    told = notes_of(page)
    if told:
        yield ""
        yield "Notes:"
        yield ""
        yield from (f"- {for_markdown(text)}" for text in told)


def _why(page: PlanPage) -> Iterator[str]:
    """What does not go, and why, folded away."""
    grouped = lines_of(page)
    counts: dict[tuple[str, str, str, str], int] = {}
    for sequence in sorted(grouped):
        for line in grouped[sequence]:
            if line.decision in (Decided.HOLD, Decided.SKIP, Decided.EXIT, Decided.UNREACHED):
                key = (sequence, line.decision, line.reason, passed_over(line.reason, line.detail))
                counts[key] = counts.get(key, 0) + line.count
    if not counts:
        return
    yield "<details><summary>Why others get nothing now</summary>"
    yield ""
    yield "| sequence | decision | reason | count |"
    yield "| --- | --- | --- | ---: |"
    for (sequence, decision, _, why), count in sorted(counts.items(), key=lambda item: (item[0][0], -item[1], item[0])):
        yield f"| {for_markdown(sequence)} | {decision} | {for_markdown(why)} | {count:,} |"
    yield ""
    yield "</details>"
    yield ""

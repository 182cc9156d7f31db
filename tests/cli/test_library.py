"""The library: every part of it stands on its own, and every sequence has a case that says what it does."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

import pytest

from engine.definitions.trees import WorkTree
from engine.library import PARTS
from engine.messages.preview import samples
from engine.messages.rendering import Renderer
from engine.runs.opening import sound_definitions
from tests.cli.conftest import engine

ROOT = Path(__file__).parents[2]
# A2 of the inventory.
TYPES = (
    "renewal-30-days", "renewal-14-days", "renewal-7-days", "renewal-urgent", "invoice-new", "payment-reminder-7-days", "payment-reminder-14-days",
    "payment-overdue", "quarterly-review", "seasonal-campaign", "zone-offline-48h", "zone-offline-7d", "welcome", "contract-signed", "contract-sent",
    "newsletter", "announcement",
)  # fmt: skip


def test_the_17_types_in_two_languages() -> None:
    """Each type of the inventory has a template in English and in Thai that a sequence uses, and each of its variables a description and a sample."""
    definitions = sound_definitions(WorkTree(ROOT))[0]
    used = {choice.use for sequence in definitions.sequences.values() for step in sequence.steps for choice in step.choices}
    for type_ in TYPES:
        templates = [template for template in definitions.templates.values() if template.type == type_]
        assert templates and all({"en", "th"} <= set(template.subject) & set(template.body) for template in templates), type_
        assert any(template.id in used for template in templates), type_
        assert definitions.types[type_].description
        assert all(variable.description and variable.sample is not None for variable in definitions.types[type_].variables.values()), type_
    assert len(definitions.segments) >= 6
    triggers = {sequence.trigger.kind for sequence in definitions.sequences.values()}
    assert triggers == {"date", "event", "enters", "schedule", "once", "manual"}
    assert {tag for sequence in definitions.sequences.values() for tag in sequence.tags} >= set(PARTS.values())


def test_an_invoice_has_its_article() -> None:
    """What a type is about is told in English."""
    assert "transactional, about an invoice\n" in engine("-C", str(ROOT), "variables", "invoice-new").out
    assert "transactional, about a contract\n" in engine("-C", str(ROOT), "variables", "contract-sent").out


@pytest.mark.parametrize("days", [0, 1])
@pytest.mark.parametrize(("template", "variable"), [("payment-reminder-7-days", "days_until_due"), ("renewal-7-days", "days_until_expiry"), ("renewal-urgent", "days_until_expiry")])
def test_5_6_a_late_mail_counts_no_days_where_one_or_none_is_left(template: str, variable: str, days: int) -> None:
    """A step may go until it expires: nobody reads `1 days left`, and nobody a last day that is tomorrow."""
    definitions = sound_definitions(WorkTree(ROOT))[0]
    values = {**samples(definitions, template), variable: days}
    for locale in definitions.project.locales:
        made = Renderer(definitions).render_parts(template, locale, values, due_at=datetime(2026, 11, 23, 2))
        said = "\n".join((made.subject, made.preheader, made.text))
        assert not re.search(r"\b[01] (days|วัน)|Last day:|วันสุดท้าย:", said), said


def test_outlook_for_windows_has_a_width_too() -> None:
    """It does not know `max-width` on a div: a table that only it reads holds the mail, and nothing of it is in the text part."""
    definitions = sound_definitions(WorkTree(ROOT))[0]
    made = Renderer(definitions).render_parts("welcome", "en", samples(definitions, "welcome"), due_at=datetime(2026, 11, 23, 2))
    before, behind = made.html.split('<div class="frame"', 1)
    assert re.search(r'<!--\[if mso\]><table [^>]*width="600"[^>]*><tr><td><!\[endif\]-->\s*$', before)
    assert re.search(r"</div>\s*<!--\[if mso\]></td></tr></table><!\[endif\]-->", behind) and "mso" not in made.text


@pytest.mark.parametrize("part", sorted(PARTS))
def test_each_part_stands_on_its_own(tmp_path: Path, part: str) -> None:
    """`init --library`: sound, without a warning, with a plan, and with a case for each of its sequences; nothing of another part is there."""
    folder = tmp_path / part
    said = engine("-C", str(tmp_path), "init", part, "--library", part, "--now", "2026-11-23T09:00:00+07:00")
    assert (said.code, said.err) == (0, "")
    definitions, warnings = sound_definitions(WorkTree(folder))
    assert definitions.sequences and not warnings
    assert all(PARTS[part] in sequence.tags for sequence in definitions.sequences.values())
    assert {path.stem for path in (folder / "definitions" / "tests").glob("*.yaml")} >= {s.id for s in definitions.sequences.values() if s.status == "active"}
    used = {choice.use for sequence in definitions.sequences.values() for step in sequence.steps for choice in step.choices}
    assert set(definitions.templates) == used
    assert engine("-C", str(folder), "plan", "--now", "2026-11-23T09:00:00+07:00").code == 0

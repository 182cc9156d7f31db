"""A difference as a comment and as a report: for people who read no code, and safe wherever it is shown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from engine.plan.plan import GuardResult
from engine.rehearsal import personas as made
from engine.rehearsal.course import Blocked
from engine.rehearsal.difference import Difference
from engine.rehearsal.personas import personas
from engine.views import difference_markdown
from engine.views.difference_html import as_html
from engine.views.difference_markdown import LONGEST, MARKER, as_markdown
from engine.views.difference_words import anyway, notes
from engine.views.phrases import moment
from tests.plan.base import Row
from tests.rehearsal.test_differing import RENEWAL, committed, compared

NASTY = '<script>alert("x")</script> ``` | [click](http://x.example) @everyone'


def changed(root: Path, *more: Row) -> Difference:
    """Both text and time are changed; the text has what no sink may obey."""
    ground = committed(root, *more)
    ground.change(RENEWAL, "before: 30d", "before: 20d")
    path = next((root / "definitions" / "templates").glob("notice*.yaml"))
    text = path.read_text(encoding="utf-8")
    begin = text.index("subject:")
    path.write_text(text[:begin] + "subject: {en: '" + NASTY + "', th: 'x'}\n" + text[text.index("\n", begin) + 1 :], encoding="utf-8")
    return compared(ground)


def test_each_change_has_its_label_and_rule(tmp_path: Path) -> None:
    """§8: an edit of a time is timing under 8.6, one of a text is copy under 8.1; mails that go in both count as another text."""
    found = changed(tmp_path)
    assert {(str(edit.kind), edit.rule) for edit in found.edits} == {("timing", "8.6"), ("copy", "8.1")}
    assert found.steps[0].changed == 1


def test_a_comment_is_escaped_for_its_sink_and_found_again(tmp_path: Path) -> None:
    """The marker stands first; a subject's markup is text in it, and cannot end the fence that it stands in."""
    found = changed(tmp_path)
    text = as_markdown(found, *personas(found))
    assert text.startswith(MARKER + "\n### Campaigns: what this change does\n")
    assert "Before: HEAD; after: the files as they are\\." in text
    assert "````diff" in text and "+Subject: <script>" in text
    before_fence, _, rest = text.partition("````diff")
    assert "<script" not in before_fence and "<script" not in rest.partition("\n````\n")[2]


def test_the_comment_has_only_columns_that_say_something(tmp_path: Path) -> None:
    """Nothing comes later or sooner here: neither stands in the table, nor among the words that explain its columns; gain and lose always do."""
    text = as_markdown(changed(tmp_path))
    assert "\n| sequence | step | gain | lose | move | text | same | first |\n| --- | --- | ---: | ---: | ---: | ---: | ---: | --- |\n| renewal | notice | 1 | 0 | 1 | 1 | 0 | Mon 2 Mar 2026 |\n" in text
    (legend,) = [line for line in text.splitlines() if line.startswith("<sub>gain")]
    assert [word.partition(":")[0] for word in legend.removeprefix("<sub>").split(" · ")] == ["gain", "lose", "move", "text", "same", "first"]


def test_a_guard_that_blocks_anyway_says_that_it_is_not_the_change_and_whose_mails_it_holds(tmp_path: Path) -> None:
    """10.2: the sequence of most of the mails in that run is named, and the reader learns that they are counted all the same."""
    found = changed(tmp_path)
    at = found.after.letters()[0].moment
    held = Blocked(GuardResult("max_sends.per_run", None, 1, 2, False), at, 2)
    (said,) = anyway(replace(found, blocked_anyway=(held,)))
    assert said == (
        f"not because of this change: guard max_sends.per_run would block on {moment(at, found.timezone)}: 2, at most 1; nothing would be sent "
        "until somebody allows it (renewal 1); it is counted here"
    )


def test_a_step_that_nobody_gets_any_more_is_said_to_be_so(tmp_path: Path) -> None:
    """All of its mails are dropped: not so many fewer, but none."""
    ground = committed(tmp_path)
    ground.change(RENEWAL, "template: notice", "template: notice, if: {contract.monthly_value: {greater_than: 99999999}}")
    (step,) = compared(ground).steps
    assert step.mails == (1, 0) and next(iter(notes(step))) == "nobody gets it in these days any more (1 mail before)"


def test_a_mail_that_only_moves_is_shown_as_it_reads(tmp_path: Path) -> None:
    """Its words may say how long it is until the day: whole and once, with the step that sends it at another time; a step that stays is not among them."""
    ground = committed(tmp_path)
    ground.change(RENEWAL, "before: 30d", "before: 20d")
    found = compared(ground)
    letters, more = personas(found)
    assert [(one.template, one.locale, one.moved, one.text_diff) for one in letters] == [("notice", "en", ("renewal/notice",), ())] and not more
    text, page = as_markdown(found, letters), as_html(found, letters)
    asked = "It goes at another time (renewal/notice): do its words still fit?"
    assert asked.replace("(", "\\(").replace(")", "\\)") in text and "```text\nSubject: " in text
    assert page.count(asked) == 1 and page.count("<iframe") == 1 and "<span>unchanged</span>" in page


def test_a_comment_is_one_line_where_nothing_changes(tmp_path: Path) -> None:
    """One line below the marker."""
    ground = committed(tmp_path)
    ground.write(RENEWAL, (tmp_path / RENEWAL).read_text(encoding="utf-8") + "# a comment\n")
    assert len(as_markdown(compared(ground, days=1)).splitlines()) == 2


def test_a_comment_drops_whole_sections_to_stay_short(tmp_path: Path) -> None:
    """At most 60,000 characters; what was left out is named, and the essence is never among it."""
    found = changed(tmp_path)
    letters, _ = personas(found)
    (one,) = [one for one in letters if one.text_diff][:1]
    long = made.Persona(one.template, "en", (), None, made.Rendered("x", "", "", "word\n" * 20_000))
    text = as_markdown(found, (long, *letters), 3)
    assert len(text) <= LONGEST and difference_markdown.headline(found).split(";")[0] in text
    assert "Left out, too long for a comment: the mail notice" in text and "3 more mails" in text


def test_the_report_is_one_file_without_scripts_and_names_nobody(tmp_path: Path) -> None:
    """Its policy allows inline styles only; the mail's HTML lives in a frame that may do nothing; no address and no key of a contact is in it."""
    found = changed(tmp_path)
    text = as_html(found, *personas(found))
    assert "default-src 'none'" in text and text.count('sandbox=""') >= 2
    assert "<script" not in text and "http://x.example" in text and "<a " not in text.split("srcdoc")[0]
    assert "@example.com" not in text.split("srcdoc")[0]

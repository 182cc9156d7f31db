"""Every mistake in a template is told before a mail is made: the code, the line, the column, and a way out."""

from __future__ import annotations

import pytest

from tests.messages.projects import TEMPLATE, files, problems

EN = "definitions/templates/letter.en.md"
YAML = "definitions/templates/letter.yaml"

# What stands in the body, the code, the line and column, how many characters, and a piece of the message or help.
BODIES = [
    ("Your contract {{ numbr }} ends.", "E201", 1, 18, 5, "did you mean `number`? Type `renewal` has: company_name, contact_name, current_year, days"),
    ("One\n\nTwo {{ days }} and {{ dayz }}", "E201", 3, 23, 4, "did you mean `days`?"),
    ("{% if numbr == 1 %}x{% endif %}", "E201", 1, 7, 5, "unknown variable `numbr`"),
    ("{% for i in invoices %}{{ i.amout }}{% endfor %}", "E213", 1, 29, 5, "did you mean `amount`? It has: amount, currency, due, number"),
    ("{{ invoices[0].amout }}", "E213", 1, 16, 5, "unknown field `amout` of `invoices`"),
    ('{{ invoices[0]["amout"] }}', "E213", 1, 17, 5, "did you mean `amount`?"),
    ("{{ invoices.number }}", "E213", 1, 13, 6, "`invoices` is a list"),
    ("{% for i in items %}{{ i.numbr }}{% endfor %}", "E213", 1, 26, 5, "did you mean `number`?"),
    ("{% for i in items %}{% for one in i.invoices %}{{ one.amout }}{% endfor %}{% endfor %}", "E213", 1, 55, 5, "did you mean `amount`?"),
    ("{% for i in items %}{{ i.end_date | date }}{% endfor %}", "E225", 1, 37, 4, "`date` takes a date, and `end_date` is a text"),
    ("{{ items.number }}", "E213", 1, 10, 6, "`items` is a list"),
    ("{{ number.upper }}", "E213", 1, 11, 5, "`number` is a text and has no `upper`"),
    ("{% for i in invoices %}{{ loop.nr }}{% endfor %}{{ i }}", "E213", 1, 32, 2, "`loop` has no `nr`"),
    ("{{ number | uper }}", "E211", 1, 13, 4, "did you mean `upper`?"),
    ("{{ number | safe }}", "E214", 1, 13, 4, "`|safe` is refused"),
    ("{% if days is evn %}x{% endif %}", "E212", 1, 15, 3, "did you mean `even`?"),
    ("{% if days %}x", "E210", 1, 1, 13, "`{% if %}` is not closed"),
    ("a\n{% for i in invoices %}x{% endif %}", "E210", 2, 25, 11, "does not close `{% for %}` of line 2"),
    ("x {% endif %}", "E210", 1, 3, 11, "closes nothing"),
    ("Dear {{ number", "E210", 1, 6, 2, "`{{` is not closed"),
    ("Dear {{ number }\nmore", "E210", 1, 6, 2, ""),
    ("{% set x = 1 %}", "E214", 1, 1, 15, "`set` is not in this language"),
    ("{{ number.upper() }}", "E214", 1, 1, 20, "a template cannot call anything"),
    ("{{ range(3) }}", "E214", 1, 4, 5, "a template cannot call anything"),
    ("{{ 'a' * 9 }}", "E214", 1, 1, 13, "takes numbers, not text"),
    ("{{ number.__class__ }}", "E214", 1, 11, 9, "begins with an underscore"),
    ("{% macro x() %}{% endmacro %}", "E214", 1, 1, 29, "`macro` is not in this language"),
    ('{% include "foot.md" %}', "E220", 1, 13, 7, "unknown partial `foot.md`"),
    ("{{ end_date | date }}", "E225", 1, 15, 4, "`date` takes a date, and `end_date` is a text"),
    ("{{ number | money }}", "E225", 1, 13, 5, "takes a number"),
    ("{% for i in number %}x{% endfor %}", "E225", 1, 13, 6, "`for` goes through a list, and this is a text"),
    ("{% if value > 5 %}x{% endif %}", "E225", 1, 7, 5, "a text is compared with a number"),
    ('<a href="javascript:alert(1)">x</a>', "E219", 1, 10, 19, "not a link that a mail may have"),
    ('<a href="/renew">x</a>', "E219", 1, 10, 6, "not a link"),
    ('<p style="color: {{ number }}">x</p>', "E222", 1, 18, 12, "inside a style"),
    ("<p class={{ number }}>x</p>", "E222", 1, 10, 12, "needs quotes"),
    ('<p onclick="x">x</p>', "E222", 1, 4, 11, "event handler"),
    ("<script>x</script>", "E222", 1, 1, 8, "no scripts"),
]


@pytest.mark.parametrize(("body", "code", "line", "column", "length", "word"), BODIES, ids=[body[0][:40] for body in BODIES])
def test_a_mistake_in_a_body_is_told_at_its_place(body: str, code: str, line: int, column: int, length: int, word: str) -> None:
    """The first problem of the body names the very characters."""
    found = [problem for problem in problems(body) if problem.severity == "error"]
    assert found, "nothing was found"
    first = found[0]
    assert first.origin is not None
    assert (first.code, first.origin.file, first.origin.line, first.origin.column) == (code, EN, line, column)
    assert length == first.origin.length or code == "E222" or code == "E214"
    assert word in f"{first.message} {first.help}"


# How a subject is written in YAML, and where `numbr` stands.
SUBJECTS = [
    ('"Hello {{ numbr }}"', 4, 17),
    ("'Hello {{ numbr }}'", 4, 17),
    ('"\\u0e2a\\u0e27 \\"x\\" {{ numbr }}"', 4, 30),
    (">-\n    Hello\n    {{ numbr }}", 6, 8),
]


@pytest.mark.parametrize(("written", "line", "column"), SUBJECTS)
def test_a_mistake_inside_of_yaml_is_told_at_its_place(written: str, line: int, column: int) -> None:
    """However the text is quoted or folded, the place is the one in the file."""
    template = TEMPLATE.replace('"Hello {{ company_name }}"', written)
    [problem] = problems(template=template)
    assert problem.origin is not None
    assert (problem.code, problem.origin.file, problem.origin.line, problem.origin.column, problem.origin.length) == ("E201", YAML, line, column, 5)


def test_a_body_in_a_yaml_block_has_its_places() -> None:
    """The Markdown itself, as a block in the YAML file."""
    template = TEMPLATE.replace("{file: letter.en.md}", "|\n    Hello\n\n    Your {{ numbr }} and {{ number }}")
    [problem] = problems(template=template)
    assert problem.origin is not None
    assert (problem.origin.file, problem.origin.line, problem.origin.column) == (YAML, 10, 13)


def test_a_line_break_in_a_subject_is_an_error() -> None:
    """A block scalar brings one along."""
    [problem] = problems(template=TEMPLATE.replace('"Hello {{ company_name }}"', "|\n    Hello"))
    assert problem.code == "E218" and "`>-`" in problem.help


def test_a_missing_fallback_is_an_error_and_another_language_a_warning() -> None:
    """Without English nobody can be written to; without Thai the readers get English, and it is said."""
    [error] = problems(template=TEMPLATE.replace("  en: {file: letter.en.md}\n", ""))
    assert (error.code, error.severity) == ("E215", "error")
    [warning] = problems(template=TEMPLATE.replace("  th: {file: letter.th.md}\n", ""))
    assert (warning.code, warning.severity) == ("E215", "warning") and "those readers get `en`" in warning.message


def test_marketing_without_an_unsubscribe_link_is_an_error() -> None:
    """The Thai body has one, the English one has not, and the bare layout has none."""
    [problem] = problems(category="marketing")
    assert problem.code == "E217" and "(en)" in problem.message
    assert problems("[Unsubscribe]({{ unsubscribe_url }})", category="marketing") == []


def test_6_20_a_link_that_is_always_empty_is_a_warning() -> None:
    """6.20: transactional mail has no link to unsubscribe; a body that asks whether there is one knew it."""
    [warning] = problems("Bye. [Unsubscribe]({{ unsubscribe_url }})")
    assert (warning.code, warning.severity) == ("E217", "warning") and "(en) is transactional" in warning.message
    assert warning.origin is not None and (warning.origin.file, warning.origin.line, warning.origin.column) == (EN, 1, 23)
    assert problems("{% if unsubscribe_url %}[Unsubscribe]({{ unsubscribe_url }}){% endif %}") == []


def test_of_a_text_that_cannot_be_read_nothing_is_said_to_be_missing() -> None:
    """One mistake, one error: an unclosed brace in a body or a layout is not also a missing link."""
    assert [problem.code for problem in problems("Hello {{ company_name", category="marketing")] == ["E210"]
    template = TEMPLATE.replace("type: renewal\n", "type: renewal\nlayout: house\n")
    found = problems(template=template, category="marketing", more={"definitions/layouts/house.html": "<html>{{ body</html>"})
    assert [problem.code for problem in found] == ["E210"]


def test_a_layout_needs_its_body_and_knows_its_own_names() -> None:
    """`{{ body }}` exactly once; only common variables and the layout's own names."""
    template = TEMPLATE.replace("type: renewal\n", "type: renewal\nlayout: house\n")
    layout = "<html><body>\n{{ body }}{{ sender_name }}\n{{ number }}</body></html>"
    [problem] = problems(template=template, more={"definitions/layouts/house.html": layout})
    assert problem.origin is not None
    assert (problem.code, problem.origin.file, problem.origin.line, problem.origin.column) == ("E201", "definitions/layouts/house.html", 3, 4)
    [problem] = problems(template=template, more={"definitions/layouts/house.html": "<html></html>"})
    assert problem.code == "E216"


def test_a_mistake_in_a_partial_is_told_in_the_partial() -> None:
    """With the names of the place that includes it: the item of a loop is known there."""
    body = '{% for i in invoices %}{% include "line.md" %}{% endfor %}'
    assert problems(body, more={"definitions/partials/line.md": "{{ i.number }}\n"}) == []
    [problem] = problems(body, more={"definitions/partials/line.md": "{{ i.number }} {{ i.amout }}\n"})
    assert problem.origin is not None
    assert (problem.code, problem.origin.file, problem.origin.column) == ("E213", "definitions/partials/line.md", 21)


def test_a_partial_that_includes_itself_is_an_error() -> None:
    """Directly, and through another."""
    found = problems('{% include "a.md" %}', more={"definitions/partials/a.md": '{% include "b.md" %}', "definitions/partials/b.md": '{% include "a.md" %}'})
    assert {problem.code for problem in found} == {"E220"}


def test_a_sample_that_does_not_fit_its_format_is_an_error() -> None:
    """A date that is none, a list that is none."""
    types = files()["definitions/types/renewal.yaml"].decode()
    changed = types.replace("description: Last day, sample: 2026-12-31}\n  raw", "description: Last day, sample: soon}\n  raw")
    found = problems(more={"definitions/types/renewal.yaml": changed})
    assert [problem.code for problem in found] == ["E224"]


def test_all_mistakes_are_told_at_once() -> None:
    """One per mistake, sorted by place."""
    found = problems("{{ a }} {{ b }}\n\n{{ number | c }}")
    assert [(problem.code, problem.origin.line, problem.origin.column) for problem in found if problem.origin] == [
        ("E201", 1, 4),
        ("E201", 1, 12),
        ("E211", 3, 13),
    ]

"""From a type's variables to a mail: formats, defaults, languages, Markdown, layouts, the text part."""

from __future__ import annotations

import time
from datetime import datetime
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest

from engine.definitions.definitions import Definitions
from engine.definitions.loading import load
from engine.definitions.trees import WorkTree
from engine.messages.guarded import render_guarded
from engine.messages.guide import guide_of
from engine.messages.preview import hard_cases, make_preview, sample_case
from engine.messages.rendering import Rendered, Renderer, RenderFailed, TemplateBroken
from engine.messages.usage import used_variables
from tests.messages.projects import TEMPLATE, project

ROOT = Path(__file__).parents[2]
DUE = datetime(2026, 11, 22, 2)
VALUES = {
    "company_name": "Lotus & Co", "contact_name": "Ana", "number": "C-1", "end_date": "2026-12-31", "raw_date": "2026-12-31", "seen": "2026-11-20T18:30:00Z", "days": 5,
    "value": {"amount": "4500", "currency": "THB"}, "site": "https://www.example.com/a b?q=1&x=2",
    "invoices": [{"number": "I-1", "amount": "12.5", "currency": "THB", "due": "2026-11-01"}, {"number": "I-2", "amount": None, "currency": "THB", "due": None}],
}  # fmt: skip


def reference() -> Definitions:
    loaded = load(WorkTree(ROOT))
    assert loaded.definitions is not None, loaded.problems
    return loaded.definitions


def shown(body: str, *, locale: str = "en", values: dict[str, object] | None = None, **given: object) -> Rendered:
    return Renderer(project(body, **given)).render_parts(
        "letter", locale, {**VALUES, **(values or {})}, due_at=DUE, unsubscribe_url="https://mail.example.com/u/abc"
    )


def test_values_are_written_for_the_reader() -> None:
    """Dates, instants on the project's clock, money, numbers that stay numbers."""
    text = shown(
        "{{ end_date }} / {{ raw_date | date }} / {{ seen }} / {{ value }} / {% if days < 7 %}soon{% endif %} / {{ days + 1 }} / {{ current_year }}"
    ).text
    assert text.strip().replace("\u202f", " ") == "December 31, 2026 / Dec 31, 2026 / Nov 21, 2026, 1:30 AM / THB 4,500.00 / soon / 6 / 2026"


def test_thai_readers_see_the_buddhist_year() -> None:
    """Month names and currency of the language, the year and 543."""
    template = TEMPLATE.replace("th: {file: letter.th.md}", 'th: "{{ end_date }} / {{ raw_date | date }} / {{ seen }} / {{ value }}"')
    assert shown("x", locale="th", template=template).text.strip() == "31 ธันวาคม 2569 / 31 ธ.ค. 2569 / 21 พ.ย. 2569 01:30 น. / ฿4,500.00"


def test_6_13_a_missing_value_takes_its_default_or_stops_the_mail() -> None:
    """No value, a blank one, money without an amount; and a list is never missing."""
    assert shown("[{{ value }}] [{{ contact_name }}]", values={"value": None, "contact_name": "  "}).text.strip() == "[] []"
    for nothing in (None, " "):
        with pytest.raises(RenderFailed, match="`number` has no value"):
            shown("{{ number }}", values={"number": nothing})
    assert shown("{{ invoices | length }}", values={"invoices": []}).text.strip() == "0"
    # A variable that the mail does not name is nobody's business.
    assert shown("x", values={"number": None}).text.strip() == "x"


def test_the_items_of_a_list_lack_what_they_lack() -> None:
    """A field without a value shows as nothing, not as None."""
    body = "{% for i in invoices %}\n- {{ i.number }}: {{ i.amount | money(i.currency) }} {{ i.due | date }}.\n{% endfor %}\n"
    assert shown(body).text.replace("\u00a0", " ").split("\n")[:2] == ["* I-1: THB 12.50 Nov 1, 2026.", "* I-2:  ."]
    assert shown(body).html.count("<ul>") == 1 and shown(body).html.count("<li>") == 2


def test_data_injects_neither_html_nor_markdown_nor_links() -> None:
    """What the CRM has is text, wherever it stands."""
    nasty = '**bold** [x](javascript:alert(1)) <img src=x onerror=alert(1)> {{ number }} | # "quoted"'
    parts = shown(
        "# {{ company_name }}\n\n| a |\n| --- |\n| {{ company_name }} |\n\n[{{ company_name }}](https://example.com/{{ company_name }})",
        values={"company_name": nasty},
    )
    assert "<img" not in parts.html and "<strong>" not in parts.html and 'javascript:alert(1)"' not in parts.html
    assert "&lt;img src=x onerror=alert(1)&gt;" in parts.html
    assert 'href="https://example.com/%2A%2Abold%2A%2A%20%5Bx%5D%28javascript%3Aalert%281%29%29%20' in parts.html
    assert parts.subject == f"Hello {nasty}" and nasty in parts.text


@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", " JaVaScRiPt:alert(1)", "data:text/html,x", "//example.com", "java\nscript:x", "https://example.com/\nx", "vbscript:x"]
)
def test_a_link_that_is_a_value_is_looked_at(address: str) -> None:
    """Only https, http and mailto lead out of a mail."""
    assert 'href="https://www.example.com/' in shown('<a href="{{ site }}">x</a>', values={"site": "https://www.example.com/a?q=1&x=2"}).html
    with pytest.raises(RenderFailed):
        shown("[x]({{ site }})", values={"site": address})


def test_markdown_carries_template_parts_untouched() -> None:
    """Quotes, pipes, stars and brackets inside of braces are no Markdown; tags on their own line are no paragraphs."""
    body = (
        'A *{{ number | default("a*b_c", true) }}* and {{ invoices[0]["number"] }}\n\n{% if days %}\n## Head\n\n1. one\n2. two\n\n{% else %}\nno\n{% endif %}\n'
        "|  |  |\n| --- | ---: |\n| a | {{ value }} |\n{% for i in invoices %}\n| {{ i.number }} | {{ i.amount | default(0, true) }} |\n{% endfor %}\n"
    )
    html = shown(body).html
    assert "<em>C-1</em> and I-1" in html and "<h2>Head</h2>" in html and "<ol>" in html and "no" not in html.split("<h2>")[1].split("<table")[0]
    assert html.count("<tr>") == 3 and "<thead>" not in html and 'class="facts"' in html
    assert "<p>{%" not in html and "zq" not in html and "<!--" not in html


def test_a_bold_link_alone_is_a_button() -> None:
    """And in the text part its address follows it."""
    parts = shown("**[Renew {{ number }}](https://example.com/{{ number }})**\n\nText **[no](https://example.com)**")
    assert '<p class="button"><a href="https://example.com/C-1">Renew C-1</a></p>' in parts.html and parts.html.count("button") == 1
    assert "Renew C-1 <https://example.com/C-1>" in parts.text


def test_html_bodies_stay_as_they_are() -> None:
    """Tags of the template between the rows of a table keep their place through the CSS inliner."""
    layout = '<!doctype html><html><head><style>td { color: red; }</style><style data-css-inline="keep">@media (x) { td { color: blue } }</style></head><body>{{ body }}</body></html>'
    html = "<table>\n{% for i in invoices %}\n<tr><td>{{ i.number }}</td></tr>\n{% endfor %}{% if days > 9 %}<tr><td>never</td></tr>{% endif %}\n</table>"
    template = TEMPLATE.replace("type: renewal\n", "type: renewal\nlayout: house\n")
    parts = shown("", html=html, template=template, more={"definitions/layouts/house.html": layout})
    assert parts.html.count('<tr><td style="color: red;">') == 2 and "never" not in parts.html
    assert "@media (x)" in parts.html and "data-css-inline" not in parts.html
    assert parts.text.split() == ["I-1", "I-2"]


def test_partials_are_part_of_the_text() -> None:
    """Included by name, inside the project only, and before Markdown reads it."""
    more = {"definitions/partials/greeting.md": "Dear **{{ contact_name }}**,\n", "definitions/partials/in/x.md": '{% include "greeting.md" %}'}
    assert "<p>Dear <strong>Ana</strong>,</p>" in shown('{% include "in/x.md" %}\n\nmore', more=more).html
    for name in ("../../engine.yaml", "/etc/passwd", "./greeting.md", "%2e%2e/x"):
        with pytest.raises(TemplateBroken):
            shown(f'{{% include "{name}" %}}', more=more)


def test_partials_cannot_multiply_without_end() -> None:
    """Five levels of ten are stopped by their size, not by the machine."""
    more = {f"definitions/partials/p{n}.md": (f'{{% include "p{n + 1}.md" %}}' * 60 if n < 4 else "x" * 1000) for n in range(5)}
    began = time.perf_counter()
    with pytest.raises(TemplateBroken):
        shown('{% include "p0.md" %}', more=more)
    assert time.perf_counter() - began < 2


def test_the_reader_gets_one_language() -> None:
    """Theirs where subject and body have it, else the fallback for the whole mail."""
    template = TEMPLATE.replace("  th: {file: letter.th.md}\n", "")
    parts = shown("English", locale="th", template=template)
    assert (parts.subject, parts.text.strip()) == ("Hello Lotus & Co", "English")
    assert shown("English", locale=None).subject == "Hello Lotus & Co"  # type: ignore[arg-type]  # no language is one too


def test_6_13_names_what_the_mail_uses() -> None:
    """Subject, body, layout; not what a loop makes, nor what another language uses."""
    definitions = project("{{ number }} {% for i in invoices %}{{ i.number }}{% endfor %}")
    assert used_variables(definitions, "letter", "en") == {"number", "invoices", "company_name"}
    assert used_variables(definitions, "letter", "th") == {"company_name"}


def test_a_subject_takes_no_html_and_no_line_breaks() -> None:
    """An ampersand stays one; a line break in the CRM stops this mail, and only this one."""
    assert shown("x").subject == "Hello Lotus & Co"
    with pytest.raises(RenderFailed, match="line break"):
        shown("x", values={"company_name": "Lotus\r\nBcc: victim@example.org"})


def test_every_template_of_the_reference_company_renders() -> None:
    """All samples and hard cases, in each language; the mail reads back as it was made."""
    definitions = reference()
    renderer = Renderer(definitions)
    assert len(definitions.templates) >= 14
    for template_id in definitions.templates:
        cases = [*(sample_case(definitions, template_id, locale) for locale in definitions.project.locales), *hard_cases(definitions, template_id)]
        for case in cases:
            preview = make_preview(renderer, template_id, case, due_at=DUE)
            parsed = message_from_bytes(preview.message.payload, policy=default)
            html, text = parsed.get_body(("html",)), parsed.get_body(("plain",))
            assert html is not None and text is not None and preview.locale == case.locale
            assert html.get_content().replace("\r\n", "\n").rstrip() == preview.rendered.html.rstrip()
            assert str(parsed["Subject"]) == preview.rendered.subject.replace("\u00a0", " ")
            for word in ("zqe", "zqt", "{{", "{%", "None", "<script"):
                assert word not in preview.rendered.html and word not in preview.rendered.text, (template_id, case.id, word)
            assert not case.id.startswith("html") or "<b>Tom" not in preview.rendered.html


def test_a_child_renders_the_same() -> None:
    """The guarded way gives what the plain one gives, and passes failures on."""
    definitions = project("Hello {{ number }}")
    assert render_guarded(definitions, "letter", "en", VALUES, due_at=DUE) == Renderer(definitions).render_parts("letter", "en", VALUES, due_at=DUE)
    with pytest.raises(RenderFailed, match="`number` has no value"):
        render_guarded(definitions, "letter", "en", {**VALUES, "number": None}, due_at=DUE)


def test_the_guide_tells_every_variable() -> None:
    """Its own, inherited and common ones, with what they look like and where they come from."""
    guide = guide_of(reference(), "renewal-30-days")
    rows = {row.name: row for row in guide.rows}
    assert set(rows) >= {
        "company_name",
        "contact_name",
        "contract_number",
        "end_date",
        "days_until_expiry",
        "monthly_value",
        "open_invoices",
        "current_year",
        "unsubscribe_url",
    }
    assert (rows["end_date"].shows, rows["end_date"].from_, rows["end_date"].declared_in) == ("December 31, 2026", "contract.end_date, as long_date", "renewal")
    assert rows["monthly_value"].shows.replace("\u00a0", " ") == "THB 4,500.00" and rows["company_name"].declared_in == "common"
    assert rows["open_invoices"].fields == ("invoice_number", "amount", "currency", "due_date")
    assert ("money", "an amount with its currency: `invoice.amount | money(invoice.currency)`") in guide.filters


ITEMS = "{% for one in items %}{{ loop.index }} {{ one.number }} {{ one.end_date }} {% for i in one.invoices %}{{ i.number }} {% endfor %}{% endfor %}first {{ number }}"


def test_4_8_items_are_the_records_of_the_mail() -> None:
    """4.8: each has its own values, written as the type says; outside of `items` a name is the first's."""
    records = [{**VALUES, "number": "C-1"}, {**VALUES, "number": "C-2", "end_date": "2027-01-31", "invoices": []}]
    made = Renderer(project(ITEMS)).render_parts("letter", "en", records[0], due_at=DUE, items=records)
    assert made.text.strip() == "1 C-1 December 31, 2026 I-1 I-2 2 C-2 January 31, 2027 first C-1"


def test_4_8_without_combine_there_is_one_item() -> None:
    """4.8: so one template serves both."""
    assert shown("{{ items | length }}: {% for one in items %}{{ one.number }}{% endfor %}").text.strip() == "1: C-1"


def test_6_13_what_is_asked_of_items_is_used() -> None:
    """6.13: a record without it is held, so it is among the variables that are read and looked for."""
    assert used_variables(project(ITEMS), "letter", "en") == {"number", "end_date", "invoices", "company_name"}
    assert used_variables(project("{{ items | length }}"), "letter", "en") == {"company_name"}
    # Of what cannot be told is taken that it may be an item.
    assert "days" in used_variables(project("{% for one in [items[0]] %}{{ one.days }}{% endfor %}"), "letter", "en")


def test_preview_shows_a_mail_of_twenty() -> None:
    """The hard case of twenty: twenty records, and twenty items in each list."""
    definitions = project("{{ items | length }} of {{ invoices | length }}")
    twenty = next(case for case in hard_cases(definitions, "letter") if case.id == "twenty")
    assert make_preview(Renderer(definitions), "letter", twenty, due_at=DUE).rendered.text.strip() == "20 of 20"


def test_the_guide_shows_items() -> None:
    """What an author copies is a loop over them."""
    row = next(row for row in guide_of(project(), "renewal").rows if row.name == "items")
    assert row.kind == "list" and "number" in row.fields and row.write.startswith("{% for item in items %}{{ item.")

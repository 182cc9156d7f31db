"""Threats 6, 7, 8: a template reaches nothing, ends soon, and lets nothing through unescaped."""

from __future__ import annotations

import os
import time

import pytest
from jinja2 import TemplateError

from engine.messages.guarded import guarded
from engine.messages.rendering import RenderFailed
from engine.messages.sandbox import MAX_OUTPUT, Refused, TooMuch, compile_template

CANARY = "canary-7f1c"
PAYLOADS = [
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ x.__class__.__init__.__globals__ }}",
    "{{ x['__class__'] }}",
    "{{ x|attr('__class__') }}",
    "{{ x|attr('\\x5f\\x5fclass\\x5f\\x5f') }}",
    "{{ self }}",
    "{{ self._TemplateReference__context }}",
    "{{ config }}",
    "{{ request.application.__globals__ }}",
    "{{ cycler.__init__.__globals__.os.environ }}",
    "{{ lipsum.__globals__['os'].popen('id').read() }}",
    "{{ joiner.__init__.__globals__ }}",
    "{{ namespace.__init__.__globals__ }}",
    "{{ dict.__base__.__subclasses__() }}",
    "{{ range(10) }}",
    "{{ env }}",
    "{{ environ['CANARY'] }}",
    "{{ get_flashed_messages.__globals__ }}",
    "{{ url_for.__globals__ }}",
    "{{ x.format(y) }}",
    "{{ '{0.__class__}'.format(x) }}",
    "{{ x|format(y) }}",
    "{{ '%s'|format(x) }}",
    "{{ x.upper() }}",
    "{{ items.append(1) }}",
    "{{ items.pop }}",
    "{{ item.items }}",
    "{{ item.keys() }}",
    "{{ x|map('attr', '__class__') }}",
    "{{ items|map(attribute='__class__')|list }}",
    "{{ items|groupby('__class__') }}",
    "{{ items|selectattr('a') }}",
    "{{ items|sum }}",
    "{{ x|pprint }}",
    "{{ x|tojson }}",
    "{{ x|xmlattr }}",
    "{{ x|urlize }}",
    "{{ x|safe }}",
    "{{ x|forceescape }}",
    "{{ _budget }}",
    "{{ _budget.turns }}",
    "{{ items|_items }}",
    "{{ x|_url }}",
    "{% import 'os' as os %}",
    "{% from 'os' import environ %}",
    "{% include '/etc/passwd' %}",
    "{% include x %}",
    "{% extends 'a' %}",
    "{% block a %}{% endblock %}",
    "{% macro a() %}{% endmacro %}",
    "{% call a() %}{% endcall %}",
    "{% set a = x %}",
    "{% set a %}x{% endset %}",
    "{% filter upper %}x{% endfilter %}",
    "{% autoescape false %}{{ x }}{% endautoescape %}",
    "{% with a = x %}{{ a }}{% endwith %}",
    "{% for a in items recursive %}{{ loop(items) }}{% endfor %}",
    "{% for a in items %}{{ loop.cycle('a', 'b') }}{% endfor %}",
    "{% for a in items %}{{ loop.changed }}{% endfor %}",
    "{% for a in items %}{{ loop._iterator }}{% endfor %}",
    "{% do x %}",
    "{% debug %}",
    "{{ x[1:2] }}",
    "{{ {'a': x} }}",
    "{{ x ~ x }}",
    "{{ 2 ** 9 }}",
    "{{ x is callable }}",
    "{{ x is filter }}",
]
VALUES = {"x": "text", "y": 1, "items": [{"a": 1}], "item": {"a": 1}, "n": 7}


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("html", [True, False])
def test_a_template_reaches_nothing(payload: str, html: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every payload is refused when it is compiled or when it is rendered, and the environment's canary is never shown."""
    monkeypatch.setenv("CANARY", CANARY)
    with pytest.raises((Refused, TemplateError)):
        shown = compile_template(payload, html=html, locale="en").render(VALUES)
        assert CANARY not in shown


_NEST = 12
BOMBS = [
    "{{ 'a' * 1000000000 }}",
    "{{ 'a' * 10 ** 9 }}",
    "{{ x * 1000000000 }}",
    "{{ [1] * 1000000000 }}",
    "{{ items * 1000000000 }}",
    "{{ 9 ** 9 ** 9 }}",
    "{{ " + " * ".join(["999999999999999"] * 200) + " }}",
    "{{ x + x }}",
    "{{ '%0999999999d' % n }}",
    "{{ x|center(1000000000) }}",
    "{{ x|indent(1000000000) }}",
    "{{ n|round(1000000000) }}",
    "{{ " + "x" + "|replace('t', 'tttttttttttttttttttt')" * 30 + " }}",
    "{{ " + "x" + "|replace('', 'xxxxxxxxxxxxxxxxxxxx')" * 30 + " }}",
    "".join(f"{{% for a{i} in many %}}" for i in range(_NEST)) + "x" + "{% endfor %}" * _NEST,
    "".join(f"{{% for a{i} in [1,2,3,4,5,6,7,8,9,0] %}}" for i in range(_NEST)) + "x" + "{% endfor %}" * _NEST,
    "{% for a in many %}" + "x" * 6000 + "{% endfor %}",
    "{% for a in x %}{% for b in x %}{% endfor %}{% endfor %}",
    "{% for a in range(1000000000) %}{% endfor %}",
    "{{ " + "(" * 50000 + "1" + ")" * 50000 + " }}",
    "{{ " + "-" * 90000 + "1 }}",
    "{{ " + "not " * 40000 + "x }}",
    "{% if x %}" * 5000 + "{% endif %}" * 5000,
    "{{ x" + "[0]" * 50000 + " }}",
    "{{ items" + "|first" * 50000 + " }}",
    "x" * 200_001,
    "{{ " + " + ".join(["1"] * 60000) + " }}",
]


@pytest.mark.parametrize("bomb", BOMBS, ids=[bomb[:40] for bomb in BOMBS])
def test_a_bomb_stops_within_two_seconds(bomb: str) -> None:
    """In this process, without a child: refused when compiled, or stopped by the counters."""
    began = time.perf_counter()
    with pytest.raises((Refused, TemplateError, TooMuch)):
        compile_template(bomb, html=True, locale="en").render({**VALUES, "many": [1] * 100})
    assert time.perf_counter() - began < 2


def test_a_mail_of_half_a_megabyte_is_the_largest() -> None:
    """500 kB of text, whatever it is made of."""
    compiled = compile_template("{% for a in many %}" + "x" * 5000 + "{% endfor %}", html=True, locale="en")
    assert len(compiled.render({"many": [1] * 100})) == MAX_OUTPUT
    with pytest.raises(TooMuch):
        compiled.render({"many": [1] * 101})


def test_a_child_that_runs_away_is_stopped() -> None:
    """Time and memory of the guarded child have an end, and this process has not."""

    def forever() -> str:
        while True:
            pass

    def hungry() -> str:
        return "x" * (4 * 1024**3)

    began = time.perf_counter()
    with pytest.raises(RenderFailed, match="stopped"):
        guarded(forever, 0.3)
    with pytest.raises(RenderFailed, match="stopped"):
        guarded(hungry, 2)
    assert time.perf_counter() - began < 5
    assert guarded(os.getpid, 2) != os.getpid()


def test_values_are_escaped_in_html_and_not_in_text() -> None:
    """Constants of the template too: nothing is ever safe by its own word."""
    source = "{{ x }} {{ '<i>' }} {{ x | upper }} {{ items | join(x) }}"
    values = {"x": "<b>&\"'", "items": ["<", "<"]}
    assert "<" not in compile_template(source, html=True, locale="en").render(values)
    assert compile_template(source, html=False, locale="en").render(values) == "<b>&\"' <i> <B>&\"' <<b>&\"'<"


def test_what_the_language_can_say() -> None:
    """Values, conditions, loops, arithmetic, tests and filters."""
    source = (
        "{% for i in rows if i.n > 1 %}{{ loop.index }}/{{ loop.length }} {{ i.a | money(i.c) }}{% if not loop.last %}, {% endif %}{% else %}none{% endfor %}"
        " {{ n + 1 }} {{ n // 2 }} {{ 'odd' if n is odd else 'even' }} {{ missing | default('-') }} {{ names | join(', ') }} {{ day | long_date }} {{ rows[0]['n'] }}"
    )
    rows = [{"a": "12.5", "c": "THB", "n": 2}, {"a": "3", "c": "USD", "n": 1}, {"a": "4", "c": "EUR", "n": 3}]
    shown = compile_template(source, html=False, locale="en").render({"rows": rows, "n": 7, "names": ["a", "b"], "day": "2026-12-31"})
    assert shown.replace("\u00a0", " ") == "1/2 THB 12.50, 2/2 €4.00 8 3 odd - a, b December 31, 2026 2"

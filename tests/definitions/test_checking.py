"""Checks whose border needs more than one planted mistake: what is allowed stays allowed."""

from __future__ import annotations

import pytest

from engine.definitions.checking import CHECKS
from tests.definitions.projects import codes, good, problems, replaced

SEQUENCE = "definitions/sequences/renewal.yaml"
WELCOME = "definitions/sequences/welcome.yaml"
LARGE = "definitions/segments/large.yaml"
TYPE = "definitions/types/renewal.yaml"


def rule(text: str) -> list[str]:
    """The codes of a segment of contracts with these rules."""
    return codes({LARGE: f"id: large\nentity: contract\nrules: {text}\n"})


def steps(*lines: str, about: str = "contract", field: str = "contract.end_date", more: str = "") -> list[str]:
    """The codes of a sequence with a date trigger and these steps."""
    listed = "".join(f"  - {{id: s-{number}, {line}, template: renewal-30}}\n" for number, line in enumerate(lines))
    return codes({"definitions/sequences/x.yaml": f"id: x\nabout: {about}\ntrigger: {{date: {field}}}\n{more}steps:\n{listed}"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{contract.end_date: 2026-12-31}", []), ("{contract.end_date: {on: 2026-12-31}}", []), ("{contract.end_date: {between: [2026-01-01, 2026-12-31]}}", []),
        ("{contract.end_date: {greater_than: 2026-01-01}}", []), ("{contract.end_date: {within_last: 30d}}", []), ("{contract.end_date: 2026-12-31T09:00}", ["E303"]),
        ("{contract.end_date: {on: 31.12.2026}}", ["E303"]), ("{contract.end_date: 20261231}", ["E303"]), ("{contract.end_date: {within_last: 30}}", ["E116"]),
        ("{contract.end_date: {within_next: 5bd}}", ["E116"]), ("{contract.end_date: {between: [2026-12-31, 2026-01-01]}}", ["E305"]),
        ("{contract.signed_at: {after: 2026-01-01T09:00:00+07:00}}", []), ("{contract.signed_at: {on: 2026-01-01}}", []), ("{contract.signed_at: {contains: '2026'}}", ["E302"]),
        ("{contract.monthly_value: 1.5}", []), ("{contract.monthly_value: {in_list: [1, 2.5]}}", []), ("{contract.monthly_value: true}", ["E303"]), ("{contract.monthly_value: .inf}", ["E301"]),
        ("{contract.monthly_value: {between: [5, 5]}}", []), ("{contract.company_id: {greater_than: 1.5}}", []), ("{contract.contract_number: 12}", ["E303"]),
        ("{contract.contract_number: {before: 2026-01-01}}", ["E302"]), ("{contract.contract_number: {between: [a, b]}}", ["E302"]), ("{contract.contract_number: ' '}", ["E301"]),
        ("{contract.contract_number: [a, '']}", ["E301"]), ("{contract.contract_number: null}", ["E301"]), ("{contract.contract_number: {is_empty: yes}}", ["E301"]),
        ("{contract.status: ACTIVE}", []), ("{contract.status: {not_equals: activ}}", ["E304"]), ("{contract.status: [active, renewd]}", ["E304"]), ("{contract.status: {contains: act}}", []),
        ("{company.is_active: true}", []), ("{company.is_active: [true, false]}", []), ("{company.is_active: {greater_than: false}}", ["E302"]), ("{company.is_active: 1}", ["E303"]),
    ],
)  # fmt: skip
def test_7_1_the_type_decides_what_an_operator_and_an_operand_may_be(text: str, expected: list[str]) -> None:
    """A misfit is an error at validate; what fits is none."""
    assert rule(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{exists: {company.invoices: {}}}", []), ("{none: {company.contacts: {contact_type: billing}}}", []), ("{count: {company.invoices: {at_least: 0}}}", []),
        ("{count: {company.invoices: {at_least: 3, at_most: 1}}}", ["E305"]), ("{count: {company.invoices: {at_least: -1}}}", ["E301"]), ("{company.contacts: {is_empty: true}}", ["E306"]),
        ("{exists: {company.contacts: {company.industry: hotel}}}", []), ("{exists: {company.contacts: {company.invoices.status: x}}}", ["E306"]),
        ("{exists: {contract.end_date: {}}}", ["E308"]), ("{not: {not: {any: [{contract.status: active}, {all: [{company.name: x}]}]}}}", []), ("{any: []}", ["E301"]), ("{}", ["E301"]), ("{not: {}}", ["E301"]),
        ("{contact.name: x}", ["E239"]), ("{segment: hotels}", ["E243", "E246"]), ("{exists: {company.contacts: {segment: vip}}}", []), ("{contract.status.x: 1}", ["E239"]), ("{.: 1}", ["E301"]),
    ],
)  # fmt: skip
def test_7_4_groups_and_many_records(text: str, expected: list[str]) -> None:
    """Inside exists, none and count bare names are the related record's; outside one is never guessed."""
    assert rule(text) == expected


@pytest.mark.parametrize(
    ("goal", "expected"),
    [
        ("{all: [{contract.status: renewed}, {contract.currency: THB}]}", []), ("{any: [{contract.status: renewed}]}", []), ("{contract.monthly_value: {greater_than: 1, less_than: 5}}", []),
        ("{contract.status: renewed, contract.currency: THB}", ["E307"]), ("{all: [{contract.status: renewed, contract.currency: THB}]}", []), ("{contract.status: renewed, any: [{contact.name: x}]}", ["E307"]),
    ],
)  # fmt: skip
def test_7_4_more_than_one_key_in_a_goal_says_all_or_any(goal: str, expected: list[str]) -> None:
    """Only several keys at the top are unclear; several operators of one field are not."""
    assert codes(replaced(SEQUENCE, "goal: {contract.status: renewed}", f"goal: {goal}")) == expected


@pytest.mark.parametrize(
    ("lines", "field", "expected"),
    [
        (("before: 30d", "before: 7d", "after: 1d"), "contract.end_date", []), (("before: 1mo", "before: 3w"), "contract.end_date", []), (("before: 1mo", "before: 28d"), "contract.end_date", ["E312"]),
        (("before: 1mo", "before: 27d"), "contract.end_date", []), (("before: 1y", "before: 12mo"), "contract.end_date", ["E312"]), (("after: 48h", "after: 7d"), "contract.signed_at", []),
        (("after: 24h", "after: 1d, at: \"09:00\""), "contract.signed_at", ["E312"]), (("after: 1h", "after: 2d"), "contract.signed_at", []), (("after: 0d", "after: 90min"), "contract.end_date", []),
        (("after: 1d, at: \"09:00\"", "after: 1d, at: \"15:00\""), "contract.end_date", []), (("after: 1d, at: \"15:00\"", "after: 1d, at: \"09:00\""), "contract.end_date", ["E312"]),
        (("before: 7d", "before: 7d"), "contract.end_date", ["E312"]), (("before: 2h", "after: 0min"), "contract.signed_at", []), (("before: 999999y",), "contract.end_date", []),
    ],
)  # fmt: skip
def test_5_1_steps_stand_strictly_in_time_order(lines: tuple[str, ...], field: str, expected: list[str]) -> None:
    """Whatever the date is: short months, leap years and times of day are tried."""
    assert steps(*lines, field=field) == expected


def test_3_5_wait_before_and_after_belong_to_their_triggers() -> None:
    """A misfit is an error for each step that has it."""
    assert steps("wait: 1d", "before: 1d") == ["E311"]
    assert codes(replaced(WELCOME, "wait: 0d", "after: 0d")) == ["E311"]


def test_5_1_only_the_first_step_waits_for_no_time() -> None:
    """Also when it is said in hours."""
    assert codes(replaced(WELCOME, 'wait: 3d, at: "10:00"', "wait: 0h")) == ["E313"]


def test_4_1_a_path_to_contacts_is_needed_or_inferred() -> None:
    """One shortest way needs no word; an audience inside which bare names are the contact's is good."""
    assert codes(replaced(SEQUENCE, "{from: contract.company.contacts, first_of", "{first_of")) == []
    assert codes(replaced(SEQUENCE, "{from: contract.company.contacts, first_of: [{contact_type: billing}, all]", "{where: {company.industry: hotel, contract.status: active}, first_of: [{is_active: true}]")) == []
    assert codes(replaced(SEQUENCE, "order_by: name", "order_by: company.name")) == []
    assert codes(replaced(SEQUENCE, "order_by: name", "order_by: nam")) == ["E239"]
    assert codes(replaced(SEQUENCE, "order_by: name", "order_by: company")) == ["E319"]
    assert codes(replaced(SEQUENCE, "{contact_type: billing}", "{contact_typ: billing}")) == ["E239"]


def test_segments_in_a_circle_are_told_once() -> None:
    """a needs b, b needs c, c needs a, and d only looks on."""
    ring = {f"definitions/segments/{a}.yaml": f"id: {a}\nentity: contact\nrules: {{segment: {b}}}\n" for a, b in (("a", "b"), ("b", "c"), ("c", "a"), ("d", "a"))}
    (problem,) = problems(ring)
    assert problem.code == "E241" and "a → b → c → a" in problem.message
    assert [(origin.file, said) for origin, said in problem.related] == [("definitions/segments/a.yaml", "`a` needs `b`"), ("definitions/segments/b.yaml", "`b` needs `c`")]


def test_a_thousand_segments_in_a_row_are_no_circle() -> None:
    """Nor do they exhaust anything."""
    row = {f"definitions/segments/s{n}.yaml": f"id: s{n}\nentity: contact\nrules: {{segment: s{n + 1}}}\n" for n in range(1000)}
    assert codes({**row, "definitions/segments/s1000.yaml": "id: s1000\nentity: contact\nrules: {contact.name: x}\n"}) == []


@pytest.mark.parametrize(
    ("variable", "expected"),
    [
        ("{value: contract.end_date, format: long_date, SAY}", []), ("{value: contract.end_date, format: datetime, SAY}", ["E255"]), ("{value: contract.signed_at, format: datetime, SAY}", []),
        ("{days_since: contract.signed_at, format: number, SAY}", []), ("{count: company.invoices, where: {status: overdue}, SAY}", []), ("{count: company.invoices, where: {stat: overdue}, SAY}", ["E239"]),
        ("{sum: company.invoices.amount, format: money, currency: THB, SAY}", []), ("{sum: company.invoices.amount, format: money, currency: contract.currency, SAY}", []),
        ("{sum: company.invoices.amount, format: money, currency: contract.end_date, SAY}", ["E255"]), ("{sum: company.invoices, SAY}", ["E250"]), ("{list: company.invoices, SAY}", ["E121"]),
        ("{list: company.name, fields: [name], SAY}", ["E250"]), ("{value: contract.end_date, where: {x: 1}, SAY}", ["E121"]), ("{value: contract.company, SAY}", ["E319"]), ("{text: plain, SAY}", ["E250"]),
        ("{text: '{contract.end_date} {company}', SAY}", ["E319"]), ("{value: contract.end_date, count: company.invoices, SAY}", ["E121"]), ("{value: contract.end_date, currency: contract.currency, SAY}", ["E255"]),
        ("{value: contact.name, format: text, SAY, default: ''}", []), ("{value: contact.name, SAY, default: null}", []), ("{value: invoice.amount, SAY}", ["E239"]),
    ],
)  # fmt: skip
def test_variables_fit_their_function_and_format(variable: str, expected: list[str]) -> None:
    """Every path leads somewhere and gives what its function and format need."""
    line = "  days_left: {days_until: contract.end_date, description: Days until then, sample: 30}"
    assert codes(replaced(TYPE, line, "  days_left: " + variable.replace("SAY", "description: d, sample: 1"))) == expected


def test_a_common_variable_must_lead_somewhere_from_every_type() -> None:
    """What `common` says of a contract is not there for a type about contacts."""
    changed = replaced("definitions/types/common.yaml", "contact.company.name", "contract.contract_number")
    assert codes(changed) == ["E239"]


def test_an_override_may_have_its_own_sample() -> None:
    """Another sample or description of the same value is no other variable."""
    same = "  contract_number: {value: contract.contract_number, description: Another word, sample: C-1}\n"
    assert codes(replaced(TYPE, "variables:\n", f"variables:\n{same}")) == []
    assert codes(replaced(TYPE, "variables:\n", f"variables:\n{same.replace('sample', 'default: x, sample')}")) == ["E249"]


def test_a_type_without_about_fits_every_sequence() -> None:
    """Its variables are the contact's alone."""
    plain = {"definitions/types/plain.yaml": "id: plain\ncategory: transactional\nvariables: {n: {value: contact.name, description: d, sample: s}}\n"}
    use = replaced("definitions/templates/renewal-30.yaml", "type: renewal", "type: plain")
    assert codes({**plain, **use}) == []
    assert codes({**use, "definitions/types/plain.yaml": "id: plain\ncategory: transactional\nvariables: {n: {value: contract.end_date, description: d, sample: s}}\n"}) == ["E239"]


def test_a_map_that_is_wrong_is_told_in_the_map_alone() -> None:
    """A relation to nowhere makes no path an error of its own; a contact entity that is not there silences what needs it."""
    assert codes(replaced("definitions/crm.yaml", "contact: {entity: contact, address", "contact: {entity: kontact, address")) == ["E237"]
    assert codes(replaced("definitions/crm.yaml", "contacts: {many: contact, via: contact.company_id}", "contacts: {many: kontact, via: contact.company_id}")) == ["E237"]


def test_every_check_stands_alone() -> None:
    """No check needs another to have run: each is quiet on a good project, in any order."""
    good()
    assert len(set(CHECKS)) == len(CHECKS)


def test_what_names_a_segment() -> None:
    """D6: a trigger, a rule and an enrollment file each use the segment that they name; a rule behind another segment is that one's use."""
    from pathlib import Path

    from engine.definitions.loading import WorkTree, load
    from engine.definitions.using import segments_of, users_of

    definitions = load(WorkTree(Path(__file__).parents[2])).definitions
    assert definitions is not None
    assert {"enrollment 2026-11-news", "segment vip-thai-hotels"} <= set(users_of(definitions, "vip"))
    assert "vip" in segments_of(definitions, definitions.sequences["product-news"])
    for sequence in definitions.sequences.values():
        named = getattr(sequence.trigger, "segment", None)
        assert named is None or named in segments_of(definitions, sequence)

"""`engine test`: cases that hold and cases that do not, written anew, and made from real data."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from tests.cli.conftest import Project, engine

Golden = Callable[[str, str], None]
FILE = "definitions/tests/renewal.yaml"
CASES = """\
# What the notices promise.
- name: two contacts, each in their language   # the audience has max 2
  now: 2026-11-20T09:00
  sequences: [renewal]
  given:
    company: [{id: 1}]
    contract: [{id: 11, company_id: 1, end_date: 2026-12-20, status: active, number: C-11}]
    contact: [{id: 1, company_id: 1}, {id: 2, company_id: 1, language: th}]
  expect:
    sends:
      - {sequence: renewal, step: notice-30, contact: 1, subject: "Contract C-11 ends on December 20, 2026"}
      - {sequence: renewal, step: notice-30, contact: 2, locale: th, body_contains: [เรียน, C-11]}

- name: nearly all of it is wrong
  now: 2026-11-20T09:00
  until: 2026-11-21
  sequences: [renewal]
  given:
    company: [{id: 1}, {id: 2}]
    contract:
      - {id: 11, company_id: 1, end_date: 2026-12-20, status: active, number: null}
      - {id: 12, company_id: 2, end_date: 2026-12-20, status: active, number: C-12}
      - {id: 13, company_id: 2, end_date: 2026-12-20, status: expired}
      - {id: 14, company_id: 2, end_date: 2027-12-20, status: active}
    contact: [{id: 1, company_id: 1}, {id: 2, company_id: 2}]
  expect:
    sends:
      - {sequence: renewal, step: notice-30, record: 11}   # it lacks its number
      - {sequence: renewal, step: notice-30, record: 12, on: 2026-11-21, subject_contains: "C-21"}
      - {sequence: renewal, record: 13}
      - {sequence: renewal, record: 14}
    holds: []
"""


@pytest.fixture
def tested(fresh: Project, tmp_path: Path) -> Project:
    """The project without a state folder, and two cases."""
    for path in (fresh.root / "definitions").rglob("*"):
        if path.is_file():
            there = tmp_path / path.relative_to(fresh.root)
            there.parent.mkdir(parents=True, exist_ok=True)
            there.write_bytes(path.read_bytes())
    (tmp_path / "engine.yaml").write_bytes((fresh.root / "engine.yaml").read_bytes())
    (tmp_path / FILE).parent.mkdir()
    (tmp_path / FILE).write_text(CASES, encoding="utf-8")
    return Project(tmp_path)


def test_a_failure_shows_only_what_differs_with_the_reason(tested: Project, golden: Golden) -> None:
    """Item 8: exact sends, typed; a mail that did not go has the gate that kept it, a sequence that does not begin says why; exit 1."""
    said = tested.run("test", now=None)
    assert (said.code, said.err) == (1, "")
    golden("test-fails.txt", re.sub(r"\d+\.\d s", "… s", tested.calm(said.out)))


def test_machines_read_the_same(tested: Project) -> None:
    """`--format json` and `junit`: one case fails, one holds, each with file and line."""
    data = json.loads(tested.run("test", "--format", "json", now=None).out)
    assert (data["kind"], data["summary"]["cases"], data["summary"]["failed"], data["untested"]) == ("tests", 2, 1, ["birthday", "news"])
    suite = ElementTree.fromstring(tested.run("test", "--format", "junit", now=None).out).find("testsuite")
    assert suite is not None and (suite.get("tests"), suite.get("failures")) == ("2", "1")
    holds, fails = suite.findall("testcase")
    assert (fails.get("classname"), fails.get("name"), fails.get("file"), fails.get("line")) == ("renewal", "nearly all of it is wrong", FILE, "14")
    failure = fails.find("failure")
    assert holds.find("failure") is None and failure is not None and "missing_variable" in (failure.text or "")


def test_update_writes_what_happened_and_nothing_else(tested: Project) -> None:
    """`--update`: the rows that differ are written anew; comments, order and the case that holds stay to the byte; then all hold."""
    assert tested.run("test", "--update", now=None).code == 0
    written = (tested.root / FILE).read_text(encoding="utf-8")
    head, _, rest = written.partition("  expect:\n    sends:\n      - {sequence: renewal, step: notice-30, record: 1")
    assert CASES.startswith(head) and head.endswith("contact: [{id: 1, company_id: 1}, {id: 2, company_id: 2}]\n")
    assert "2, on: 2026-11-20, subject: \"Contract C-12 ends on December 20, 2026\"}" in rest
    assert "holds: [{sequence: renewal, step: notice-30, record: 11, contact: 1, on: 2026-11-20, reason: missing_variable}]" in rest
    assert "record: 13" not in rest and "record: 14" not in rest
    again = tested.run("test", now=None)
    assert again.code == 0 and "all hold" in again.out


COMMENTED = """\
- name: in Thai
  now: 2026-11-20T09:00
  sequences: [renewal]
  given:
    company: [{id: 1}]
    contract: [{id: 11, company_id: 1, end_date: 2026-12-20, status: active, number: C-11}]
    contact: [{id: 1, company_id: 1}, {id: 2, company_id: 1, language: th}]
  expect:
    sends:
      - {sequence: renewal, step: notice-7}   # not yet
      - {sequence: renewal, step: notice-30, contact: 2, locale: en}   # her language
"""


def test_update_keeps_comments_beside_their_rows_and_line_ends(tested: Project) -> None:
    """`--update`: a row that is amended keeps its comment, one that is taken out takes its own along; a file with Windows' line ends keeps them."""
    (tested.root / FILE).write_bytes(COMMENTED.replace("\n", "\r\n").encode())
    assert tested.run("test", "--update", now=None).code == 0
    written = (tested.root / FILE).read_bytes().decode()
    kept = COMMENTED[: COMMENTED.index("      - ")]
    assert written.replace("\r\n", "\n") == kept + (
        "      - {sequence: renewal, step: notice-30, contact: 2, locale: th}   # her language\n      - {sequence: renewal, step: notice-30, record: 11, contact: 1}\n"
    )
    assert written.count("\n") == written.count("\r\n")


def test_update_writes_no_error_into_a_case(tested: Project) -> None:
    """`--update`: the row of a mail that cannot be made stays as it is, and is named; exit 1."""
    template = tested.root / "definitions/templates/renewal-30.yaml"
    text = template.read_text(encoding="utf-8")
    template.write_text(text.replace("Contract {{ number }} ends", "Contract {{ number }}{{ 1 // (4 - number | length) }} ends"), encoding="utf-8")
    before = CASES[: CASES.index("\n- name: nearly")]
    (tested.root / FILE).write_text(before, encoding="utf-8")
    said = tested.run("test", "--update", now=None)
    assert said.code == 1 and f"{FILE}:2:" in said.out and "cannot be made, and its row stays as it is" in said.out
    assert (tested.root / FILE).read_text(encoding="utf-8") == before


def test_moments_with_seconds_are_said_and_settled(tested: Project) -> None:
    """`due:` to the second: what came is said as exactly, and `--update` settles it; with an offset it is said in the case's own."""
    (tested.root / FILE).write_text(COMMENTED.replace("step: notice-7}", "step: notice-30, contact: 1, due: 2026-11-20T09:00:30+00:00}").replace("locale: en", "due: 2026-11-20T09:00:30"))
    said = tested.run("test", now=None).out
    assert "due: expected 2026-11-20T09:00:30" in said and "was 2026-11-20T02:00+00:00" in said
    assert tested.run("test", "--update", now=None).code == 0
    assert tested.run("test", now=None).code == 0


def test_small_words_of_test(tested: Project) -> None:
    """A selection without a case says so; names with spaces are quoted in the command to copy; --from takes no --format; JUnit is XML whatever a subject says."""
    said = tested.run("test", "--select", "sequence:birthday", now=None)
    assert said.code == 0 and "No case is about what was selected; 2 cases are about other sequences." in " ".join(said.out.split())
    assert "test --update 'nearly all*'" in tested.run("test", "nearly all*", now=None).out
    assert tested.run("test", "--from", "2", "--format", "json").code == 64
    (tested.root / FILE).write_text(CASES.replace("Contract C-11 ends", "\uffff\ufffe ends").replace('subject: "\uffff', 'subject: "\\uffff').replace("\ufffe", "\\ufffe"), encoding="utf-8")
    ElementTree.fromstring(tested.run("test", "--format", "junit", now=None).out)


def test_names_and_selections_choose_cases(tested: Project) -> None:
    """By file, by case, by glob and by sequence; what names nothing is wrong usage with a suggestion."""
    for words, cases in (((FILE,), 2), (("renewal",), 2), (("two contacts*",), 1), (("--select", "about:contract"), 2), (("nearly*", "--select", "sequence:news"), 0)):
        assert json.loads(tested.run("test", *words, "--format", "json", now=None).out)["summary"]["cases"] == cases
    said = tested.run("test", "renewals", now=None)
    assert said.code == 64 and "did you mean `renewal`" in said.err


def test_a_broken_case_is_told_by_validate_too(tested: Project) -> None:
    """A case that names no sequence is an error of `test` and of `validate`, with its place."""
    (tested.root / FILE).write_text(CASES.replace("sequence: renewal, record: 13", "sequence: renewl, record: 13"))
    for command in ("test", "validate"):
        said = tested.run(command, now=None)
        assert said.code == 1 and f"{FILE}:30:20" in said.out + said.err, said


def test_a_row_without_a_key_takes_none_that_another_has(tested: Project) -> None:
    """The second contact has no key and so is 2, as the first one says to be: an error, and nobody vanishes."""
    (tested.root / FILE).write_text(CASES.replace("{id: 1, company_id: 1}, {id: 2, company_id: 1, language: th}", "{id: 2, company_id: 1}, {company_id: 1, language: th}"))
    said = tested.run("test", now=None)
    assert said.code == 1 and "error[E281]: the contact 2 is given twice" in said.err, said


def test_a_case_from_real_data_names_nobody_and_holds(fresh: Project, tested: Project) -> None:
    """`--from`: names, addresses and keys are made up, the joins kept; what the engine decides of the copy is what it decides of the original."""
    said = fresh.run("test", "--from", "2")
    assert said.code == 0, said.err
    assert not re.search("canary|lotus|C-11", said.out, re.IGNORECASE)
    assert "contact" in said.out and "step: notice-30" in said.out
    (tested.root / FILE).write_text(said.out, encoding="utf-8")
    proved = tested.run("test", now=None)
    assert proved.code == 0, proved.out
    real = json.loads(fresh.run("plan", "--select", "sequence:renewal", "--format", "json").out)
    lotus = [row for row in real["decisions"] if row["decision"] == "send"]
    assert len(yaml.safe_load(said.out)[0]["expect"]["sends"]) == len(lotus) == 2
    assert fresh.run("test", "--from", "99").code == 64


def test_a_case_from_real_data_keeps_no_key_and_no_text_by_its_name(project: Project) -> None:
    """`--from`: a field leads to a record also where only the other side says so, and a rule on `contract.status` keeps no `company.status`."""
    crm = project.root / "definitions/crm.yaml"
    text = crm.read_text(encoding="utf-8").replace("    relations:\n      company: {one: company, via: company_id}\n  contract:", "  contract:")
    crm.write_text(text.replace("fields: {name: text}", "fields: {name: text, status: text}"), encoding="utf-8")
    companies = project.root / "data/companies.csv"
    lines = companies.read_text(encoding="utf-8").splitlines()
    companies.write_text("\n".join([f"{lines[0]},status", *(f"7{line},canary secret" for line in lines[1:])]) + "\n", encoding="utf-8")
    for name in ("contacts", "contracts"):
        path = project.root / f"data/{name}.csv"
        head, *rows = path.read_text(encoding="utf-8").splitlines()
        place = head.split(",").index("company_id")
        moved = [[*cells[:place], f"7{cells[place]}", *cells[place + 1 :]] for cells in (row.split(",") for row in rows)]
        path.write_text("\n".join([head, *(",".join(cells) for cells in moved)]) + "\n", encoding="utf-8")
    said = project.run("test", "--from", "2")
    assert said.code == 0, said.err
    (case,) = yaml.safe_load(said.out)
    given = case["given"]
    assert [row["id"] for row in given["company"]] == [1] and "canary" not in said.out
    assert {row["company_id"] for row in (*given["contact"], *given["contract"])} == {1}
    assert {row["status"] for row in given["contract"]} == {"active"}
    assert len(case["expect"]["sends"]) == 2


def test_a_key_that_is_an_address_is_one_in_a_case(project: Project) -> None:
    """Where the CRM's key of a contact is its address, so is the one that a case makes up, or that a row without a key has."""
    crm = project.root / "definitions/crm.yaml"
    crm.write_text(crm.read_text(encoding="utf-8").replace("table: contacts\n    key: id", "table: contacts\n    key: email"), encoding="utf-8")
    contacts = project.root / "data/contacts.csv"
    lines = contacts.read_text(encoding="utf-8").splitlines()
    contacts.write_text("\n".join(line for line in lines if "@" in line or line == lines[0]) + "\n", encoding="utf-8")
    (project.root / "definitions/enrollments/november.yaml").unlink()
    said = project.run("test", "--from", "canary.ann@example.com")
    assert said.code == 0, said.err
    (case,) = yaml.safe_load(said.out)
    emails = [row["email"] for row in case["given"]["contact"]]
    assert emails == [f"contact{place}@example.com" for place in range(1, len(emails) + 1)] and len(emails) > 1
    assert {row["contact"] for row in case["expect"]["sends"]} <= set(emails) and case["expect"]["sends"]
    case["given"]["contact"] = [{key: value for key, value in row.items() if key != "email"} for row in case["given"]["contact"]]
    (project.root / "definitions/tests").mkdir()
    (project.root / FILE).write_text(yaml.safe_dump([case]), encoding="utf-8")
    assert project.run("test", now=None).code == 0


def test_no_tests_yet_says_how_to_begin(tested: Project) -> None:
    """An empty project is no failure."""
    (tested.root / FILE).unlink()
    said = tested.run("test", now=None)
    assert said.code == 0 and "no campaign tests yet" in said.out


def test_the_library_has_a_case_for_every_sequence() -> None:
    """Item 8: every case of the example company holds, and no sequence is without one, the drafts too."""
    root = Path(__file__).parents[2]
    data = json.loads(engine("-C", str(root), "test", "--format", "json").out)
    assert [case["name"] for case in data["cases"] if not case["holds"]] == []
    texts = "".join(path.read_text(encoding="utf-8") for path in (root / "definitions" / "tests").glob("*.yaml"))
    assert [path.stem for path in (root / "definitions" / "sequences").glob("*.yaml") if f"sequences: [{path.stem}]" not in texts] == []


def test_events_are_given_and_come_in_their_time(tested: Project) -> None:
    """3.2: an event of the inbox starts a sequence from its moment on; one that no map has is told at its place."""
    crm, sequence = tested.root / "definitions/crm.yaml", tested.root / "definitions/sequences/called.yaml"
    crm.write_text(crm.read_text(encoding="utf-8") + "events: {called: {entity: contract}}\n", encoding="utf-8")
    sequence.write_text(
        "id: called\nstatus: active\nabout: contract\ntrigger: {event: called}\nreenter: every_occurrence\naudience: {from: contract.company.contacts}\n"
        "steps: [{id: thanks, wait: 0d, template: renewal-30}]\n", encoding="utf-8",
    )  # fmt: skip
    case = """\
- name: each call is thanked for once
  now: 2026-11-20T09:00
  days: 2
  sequences: [called]
  given:
    company: [{id: 1}]
    contract: [{id: 11, company_id: 1, end_date: 2027-12-20}]
    contact: [{id: 1, company_id: 1}]
    events: [{event: called, record: 11}, {event: called, record: 11, at: 2026-11-21T08:00}]
  expect:
    sends: [{sequence: called, contact: 1, on: 2026-11-20}, {sequence: called, contact: 1, on: 2026-11-21}]
"""
    (tested.root / FILE).write_text(case, encoding="utf-8")
    said = tested.run("test", now=None)
    assert said.code == 0, said.out + said.err
    (tested.root / FILE).write_text(case.replace("event: called, record: 11}", "event: caled, record: 11}"), encoding="utf-8")
    said = tested.run("test", now=None)
    assert said.code == 1 and "there is no event `caled`" in said.err and f"{FILE}:9:22" in said.err


@pytest.mark.parametrize("broken", ["case", "definitions"])
def test_a_form_error_is_a_report_too(tested: Project, broken: str) -> None:
    """A machine reads stdout: what keeps the cases from running stands there in its format, as of `validate`, with exit 1."""
    file, word = (FILE, "expect") if broken == "case" else ("definitions/sequences/renewal.yaml", "trigger")
    path = tested.root / file
    path.write_text(path.read_text().replace(f"{word}:", f"{word}_:", 1))
    said = tested.run("test", "--format", "junit")
    suite = ElementTree.fromstring(said.out)[0]
    assert said.code == 1 and int(suite.attrib["failures"]) >= 1 and f"{word}_" in said.out
    told = json.loads(tested.run("test", "--format", "json").out)
    assert told["kind"] == "problems" and told["summary"]["errors"] >= 1
    assert tested.run("validate", "--format", "junit").out == said.out
    text = tested.run("test")
    assert text.code == 1 and text.out == "" and "error[" in text.err

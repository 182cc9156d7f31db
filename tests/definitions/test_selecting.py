"""`--select`: union, intersection, dependents and globs over the example company's definitions."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.definitions.definitions import Definitions
from engine.definitions.loading import MemoryTree, WorkTree, load
from engine.definitions.selecting import METHODS, select, select_sequences
from engine.errors import WrongUsage

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def northern() -> Definitions:
    """Four sequences, small enough to name all that is selected."""

    def sequence(id: str, template: str, more: str) -> str:
        return f"id: {id}\nabout: contact\ntrigger: manual\n{more}\nsteps: [{{id: one, wait: 0d, template: {template}}}]\n"

    def template(id: str, type: str, body: str = "Hello") -> str:
        return f'id: {id}\ntype: {type}\nsubject: {{en: Hello}}\nbody: {{en: {body}}}\n'

    files = {
        "engine.yaml": "format: 1\nname: north\ntimezone: UTC\nlocales: [en]\nsender: {name: North, address: a@example.com}\nowners: {sales: s@example.com}\n"
        "environments: {dev: {facts: {duckdb: x}, ledger: {duckdb: y}}}\n",
        "definitions/crm.yaml": "entities: {contact: {table: contacts, key: id, fields: {email: text, country: text}}}\ncontact: {entity: contact, address: email}\n",
        "definitions/types/plain.yaml": "id: plain\ncategory: transactional\n",
        "definitions/types/rich.yaml": "id: rich\nextends: plain\n",
        "definitions/templates/hello.yaml": template("hello", "plain"),
        "definitions/templates/notice-1.yaml": template("notice-1", "rich", "{file: notice-1.en.md}"),
        "definitions/templates/notice-1.en.md": 'Dear {% include "sign.md" %}',
        "definitions/templates/notice-2.yaml": template("notice-2", "rich"),
        "definitions/partials/sign.md": "friend",
        "definitions/segments/far.yaml": "id: far\nentity: contact\ntags: [north]\nrules: {contact.country: Norway}\n",
        "definitions/segments/farther.yaml": "id: farther\nentity: contact\nrules: {not: {segment: far}}\n",
        "definitions/sequences/welcome.yaml": sequence("welcome", "hello", "tags: [north]\nstatus: active"),
        "definitions/sequences/first.yaml": sequence("first", "notice-1", "tags: [renewal]\nstatus: active\nowner: sales"),
        "definitions/sequences/second.yaml": sequence("second", "notice-2", "tags: [renewal]\nstatus: paused"),
        "definitions/sequences/old.yaml": sequence("old", "hello", "status: paused\nexit_when: {not: {segment: farther}}"),
    }
    loaded = load(MemoryTree(files))
    assert loaded.definitions is not None, loaded.errors
    return loaded.definitions


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("sequence:welcome", "welcome"),
        ("sequence:welcome sequence:old", "old welcome"),
        ("sequence:*", "first old second welcome"),
        ("sequence:[fs]*", "first second"),
        ("tag:renewal", "first second"),
        ("tag:renewal,status:active", "first"),
        ("tag:renewal,status:paused sequence:welcome", "second welcome"),
        ("tag:north", "welcome"),
        ("owner:sales", "first"),
        ("about:contact,status:active", "first welcome"),
        ("template:notice-*+", "first second"),
        ("template:hello+,status:paused", "old"),
        ("type:plain+", "first old second welcome"),
        ("type:rich+", "first second"),
        ("segment:far+", "old"),
        ("file:definitions/sequences/old.yaml", "old"),
        ("file:./definitions/sequences/", "first old second welcome"),
        ("file:definitions/templates/notice-1.en.md+", "first"),
        ("file:definitions/partials/sign.md+", "first"),
    ],
)
def test_what_is_selected(northern: Definitions, text: str, found: str) -> None:
    """Item 11: space is union, comma intersection, `+` dependents however far away, `*` any text."""
    assert sorted(select_sequences(northern, text).sequences) == found.split()


def test_a_selection_names_definitions_of_every_kind(northern: Definitions) -> None:
    """A tag is a segment's too, and dependents are all that uses it, the templates between as well."""
    assert select(northern, "tag:north").items == {("sequence", "welcome"), ("segment", "far")}
    assert select(northern, "type:rich+").of("template") == {"notice-1", "notice-2"}
    assert select(northern, "segment:far+").of("segment") == {"far", "farther"}


@pytest.mark.parametrize(
    ("text", "message", "help"),
    [
        ("sequence:welcom", "`sequence:welcom` selects nothing", "did you mean `sequence:welcome`? There is: first, old, second, welcome"),
        ("tag:renewals", "`tag:renewals` selects nothing", "did you mean `tag:renewal`? There is: north, renewal"),
        ("owner:me*", "`owner:me*` selects nothing", "there is: sales"),
        ("sequnce:welcome", "there is no method `sequnce`", "did you mean `sequence`?"),
        ("welcome", "`welcome` has no method", "did you mean `sequence:welcome`?"),
        ("renewal", "`renewal` has no method", "did you mean `tag:renewal`?"),
        ("tag:renewal,", "has an empty part", "without the comma"),
        ("tag:", "does not say which", "tag:…"),
        ("  ", "is empty", "sequence:welcome"),
        ("tag:renewal,sequence:welcome", "nothing is in all parts of `tag:renewal,sequence:welcome`", "tag:renewal has first, second; sequence:welcome has welcome"),
        ("template:hello", "selects no sequence (template hello)", '--select "template:hello+"'),
        ("segment:far sequence:x", "`sequence:x` selects nothing", ""),
    ],
)
def test_no_match_is_an_error_that_says_what_was_meant(northern: Definitions, text: str, message: str, help: str) -> None:
    """Item 11: a word that names nothing is never quietly nothing."""
    with pytest.raises(WrongUsage) as refused:
        select_sequences(northern, text)
    assert message in refused.value.message and help in refused.value.help


def test_every_method_selects_something_of_the_library() -> None:
    """Each method of the reference has a value in the example company's definitions."""
    definitions = load(WorkTree(ROOT)).definitions
    assert definitions is not None
    assert all(select(definitions, f"{method}:*").items for method in METHODS)


def test_a_job_that_selects_nothing_is_told_at_its_place() -> None:
    """A job's selection is checked when the definitions are: it would be quiet for ever."""
    tree = WorkTree(ROOT)
    files = {path: tree.read(path) for path in tree.paths()}
    assert files["engine.yaml"].rstrip().splitlines()[-2] == b"jobs:"
    files["engine.yaml"] += b'  news: {cron: "0 9 * * *", select: "tag:nws"}\n'
    (problem,) = load(MemoryTree(files)).problems
    line = files["engine.yaml"].decode().splitlines().index('  news: {cron: "0 9 * * *", select: "tag:nws"}') + 1
    assert (problem.code, problem.origin and problem.origin.line) == ("E280", line)
    assert "did you mean `tag:news`?" in problem.help

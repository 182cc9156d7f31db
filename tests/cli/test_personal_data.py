"""No command shows a person that nobody asked for, also where the CRM's key of a contact is its address, and where things go wrong."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from engine.cli.catalog import SECTIONS
from tests.cli.conftest import HERE, NOW, Project, Said

ANN, BOB = "canary.ann@example.com", "canary.bob@example.com"
CANARY = re.compile("canary", re.IGNORECASE)
_TIMELESS = ("schema", "variables", "codeowners", "ci")

# Each command of the catalog, as a person would use it, in an order in which each has something to say. Where an address is typed,
# it is who typed it that knows it: what is looked for is everybody else.
COMMANDS: tuple[tuple[str, ...], ...] = (
    ("doctor",), ("test",), ("validate",), ("validate", "--facts"), ("validate", "--facts", "--format", "json"), ("schema",), ("variables",), ("variables", "renewal"),
    ("codeowners",), ("ci", "init", "gitlab"),
    ("preview", "renewal-30"), ("preview", "news", "--hard-cases"),
    ("segment", "list", "--counts"), ("segment", "show", "readers"), ("segment", "count", "readers"), ("segment", "members", "readers"),
    ("segment", "members", "readers", "--format", "json"), ("segment", "export", "readers"),
    ("plan",), ("plan", "--all", "--format", "json"), ("plan", "--format", "jsonl"), ("plan", "--format", "markdown"), ("plan", "--out", "{root}/plan.json"),
    ("diff", "--base", "HEAD"), ("diff", "--base", "HEAD", "--format", "json"), ("diff", "--base", "HEAD", "--format", "markdown"),
    ("apply", "--plan-only"), ("apply", "--format", "json"), ("deliver",), ("deliver", "--format", "json"),
    ("explain", ANN), ("explain", BOB, "--format", "json"), ("explain", "contract:12"), ("explain", "nobody@example.com"),
    ("snapshot", "--anonymise", "--out", "{root}/snap"), ("test",), ("feedback", "ingest", "{root}/log.csv"), ("attention",), ("attention", "--format", "json"), ("status",), ("status", "--format", "json"),
    ("enroll", "news", "--from", "{root}/people.txt", "--dry-run"), ("enroll", "news", "--from", "{root}/people.txt", "--format", "json"),
    ("enroll", "news", "--contact", BOB, "--note", "by hand"), ("enrollments",), ("enrollments", "--format", "json"), ("event", "signed", "--record", "1", "--id", "1"),
    ("pause", "news", "--from", "{root}/people.txt", "--until", "2026-12-24", "--dry-run"), ("pause", "--from", "{root}/people.txt", "--note", "rest"), ("enrollments",),
    ("explain", ANN), ("resume", "--segment", "readers"), ("cancel", "--from", "{root}/people.txt", "--dry-run"),
    ("pause", "news", "--contact", ANN), ("resume", "news", "--contact", ANN), ("cancel", "news", "--contact", ANN),
    ("suppress", BOB, "--reason", "manual"), ("unsuppress", BOB), ("stop", "news"), ("start", "news"),
    ("sends",), ("sends", "--format", "json"), ("sends", "--state", "failed"), ("show", "0"), ("resolve", "0", "--as", "sent"),
    ("compare", "--log", "{root}/log.csv", "--from", "2026-11-20", "--to", "2026-11-22"), ("import", "sends", "{root}/log.csv", "--dry-run"), ("import", "enrollments", "{root}/log.csv", "--dry-run"),
    ("simulate", "--until", "2026-12-31"), ("simulate", "--until", "2026-12-31", "--format", "json"), ("schedule", "export", "--for", "cron"),
    ("state", "verify"), ("state", "backup", "{root}/state/copy"), ("explain", ANN, "--at", "2026-11-22T09:00:00+07:00"),
    ("state", "rekey", "contact", "--map", "{root}/keys.csv"), ("state", "rekey", "contact", "--map", "{root}/keys.csv", "--keep-missing", "--dry-run"), ("forget", BOB),
)  # fmt: skip


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The small project, but a contact's key is its address, and a company is called like a person."""
    root = tmp_path_factory.mktemp("keyed") / "project"
    shutil.copytree(HERE / "project", root)
    crm = root / "definitions" / "crm.yaml"
    head, contact = crm.read_text(encoding="utf-8").split("    table: contacts\n    key: id\n")
    crm.write_text(f"{head}    table: contacts\n    key: email\n{contact}", encoding="utf-8")
    project = Project(root)
    assert project.run("state", "create").code == 0
    (root / "log.csv").write_text(
        "sequence,step,contact,occurrence,record,enrolled_at,sent_at\nrenewal,notice-30,canary.ann@example.com,2026-12-20,11,2026-11-19T02:00:00Z,2026-11-20T02:00:00Z\n"
        "renewal,notice-30,canary.zoe@example.com,2026-12-20,Canary,2026-11-19T02:00:00Z,2026-11-21T02:00:00Z\nnone,none,Canary,,,Canary,Canary\n",
        encoding="utf-8",
    )
    (root / "keys.csv").write_text("old,new\ncanary.ann@example.com,canary.new@example.com\n", encoding="utf-8")
    (root / "people.txt").write_text(f"{ANN}\n{BOB}\ncanary.gone@example.com\n", encoding="utf-8")
    for words in (("init", "-q"), ("add", "-A"), ("-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-qm", "begin")):
        _git(root, *words)
    return project


def _git(root: Path, *words: str) -> None:
    import subprocess

    subprocess.run(["git", "-C", str(root), *words], check=True, capture_output=True)


def test_every_command_is_tried() -> None:
    """A new command has its line above; `init` asks nobody, and has a CRM that is made up."""
    listed = {entry.name for entries in SECTIONS.values() for entry in entries}
    assert listed - {"init"} <= {words[0] for words in COMMANDS}


def test_no_command_shows_a_person(keyed: Project) -> None:
    """Also where a person's address is the record's key: pseudonyms only, in what is said, in the plan that is kept and in the tracebacks
    that nobody sees."""
    shown = []
    for words in COMMANDS:
        words = tuple(word.replace("{root}", str(keyed.root)) for word in words)
        said = keyed.run(*words, now=None if words[0] in _TIMELESS else NOW)
        assert "Traceback" not in said.err, (words, said.err)
        assert "failed where it should not" not in said.err, (words, said.err)
        if CANARY.search(_unsaid(said, words)):
            shown.append((words, said.out, said.err))
    assert not shown, "\n\n".join(f"engine {' '.join(words)}\n{out}\n{err}" for words, out, err in shown)
    kept = list(keyed.root.rglob("plan.json"))
    assert kept and not any(CANARY.search(path.read_text(encoding="utf-8")) for path in kept)


def _unsaid(said: Said, words: tuple[str, ...]) -> str:
    text = said.out + said.err
    for word in words:
        text = re.sub(re.escape(word), "", text, flags=re.IGNORECASE) if CANARY.search(word) else text
    return text


@pytest.mark.parametrize("words", [("plan",), ("validate", "--facts"), ("apply",), ("explain", "1")])
def test_a_crm_in_disorder_names_no_person(keyed: Project, tmp_path: Path, words: tuple[str, ...]) -> None:
    """A value that does not fit, a key that comes twice, a file that is broken: told with a place and without the value."""
    for name, text in {
        "twice": "id,name,email,language,is_active,unsubscribed,born,company_id\n1,Canary,canary.ann@example.com,en,true,false,,1\n2,Canary,canary.ann@example.com,en,true,false,,1\n",
        "misfit": "id,name,email,language,is_active,unsubscribed,born,company_id\n1,Canary,canary.ann@example.com,en,Canary,false,Canary,Canary\n",
        "broken": 'id,name,email\n"1,Canary,canary.ann@example.com\n\0',
    }.items():
        root = tmp_path / name
        shutil.copytree(keyed.root, root)
        (root / "data" / "contacts.csv").write_text(text, encoding="utf-8")
        said = Project(root).run(*words)
        assert said.code == 1 and not CANARY.search(said.out + said.err), (name, said)

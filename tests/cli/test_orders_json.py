"""`--format json` of orders, and of commands that only did something (interface.md §2): one head, no person, the same exit code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from engine.clock import naive_utc
from engine.ledger.duckdb.files import Hold, LedgerFiles
from tests.cli.conftest import KEY, NOW, Project, engine

ORDER = {"format_version", "kind", "order", "carried_out", "rows", "left_in_inbox", "held_by", "dry_run", "message"}


def test_every_command_speaks_to_machines() -> None:
    """interface.md §2: `--format text|json` everywhere."""
    from engine.cli import cli
    from engine.cli.catalog import SECTIONS

    context = click.Context(cli)
    entries = [entry.name for section in SECTIONS.values() for entry in section]
    found = dict(pair for name in entries for pair in _commands(cli.get_command(context, name), name, context))
    assert len(found) > len(entries)
    lacking = [name for name, command in found.items() if not any("--format" in one.opts and "json" in getattr(one.type, "choices", ()) for one in command.params)]
    assert lacking == []


def _commands(command: click.Command | None, name: str, context: click.Context) -> Iterator[tuple[str, click.Command]]:
    assert command is not None
    if isinstance(command, click.Group):
        for one in command.list_commands(context):
            yield from _commands(command.get_command(context, one), f"{name} {one}", context)
    else:
        yield name, command


def _filled(command: click.Command, blank: click.Parameter) -> list[str]:
    """Words for the command with nothing in one of them, and something in all others that it needs."""
    words = []
    for parameter in command.params:
        if parameter is blank or parameter.required:
            value = " " if parameter is blank else next(iter(getattr(parameter.type, "choices", ())), __file__ if getattr(parameter.type, "exists", False) else "x")
            words += [parameter.opts[0], value] if isinstance(parameter, click.Option) else [value]
    return words


def test_9_8_a_word_with_nothing_in_it_is_nobody_and_not_everybody(project: Project) -> None:
    """9.8: a variable of a script that is not set pauses, ends or shows nothing, in any command; text that may be left out may be empty."""
    from engine.cli import cli
    from engine.cli.catalog import SECTIONS

    context = click.Context(cli)
    entries = [entry.name for section in SECTIONS.values() for entry in section]
    for name, command in (pair for entry in entries for pair in _commands(cli.get_command(context, entry), entry, context)):
        for one in command.params:
            # What has a reader of its own (a duration, --now, a file that must be there) refuses nothing by itself.
            own = one.callback or not one.expose_value or not (one.type is click.STRING or isinstance(one.type, click.Path) and not (one.type.type or one.type.exists))
            if not own and one.default != "":
                said = project.run(*name.split(), *_filled(command, one), now=None)
                assert said.code == 64 and "nothing in it" in said.err and said.out == "", (name, one.name, said)
    for words in (("pause", "--contact", ""), ("resume", "--contact", ""), ("cancel", "news", "--contact", ""), ("cancel", "", "--contact", "5"), ("pause", "news", "--from", ""),
                  ("pause", "news", "--record", "contact: "), ("enroll", "news", "--record", "contact: "), ("event", "x", "--record", " ", "--id", "1")):  # fmt: skip
        assert project.run(*words).code == 64, words
    assert engine("-C", str(project.root), "--env", "", "status").code == 64
    assert json.loads(project.run("status", "--format", "json").out)["controls"] == []
    assert project.run("pause", "news", "--note", "").code == 0


def test_9_8_a_pause_until_a_day_waits_for_no_definition(project: Project) -> None:
    """9.8: the timezone is engine.yaml's; where that is broken, a moment with its offset is asked for."""
    broken = project.root / "definitions/sequences/news.yaml"
    broken.write_text("id: news\nnonsense: 1\n")
    said = project.run("pause", "renewal", "--until", "2026-12-24")
    assert said.code == 0 and "in error" in said.out, said
    settings = project.root / "engine.yaml"
    settings.write_text("format: nonsense\n")
    said = project.run("pause", "renewal", "--until", "2026-12-24")
    assert said.code == 64 and "offset" in said.err
    assert project.run("pause", "renewal", "--until", "2026-12-24T09:00:00+07:00").code == 0


def _json(project: Project, *words: str, now: str | None = NOW) -> dict[str, Any]:
    said = project.run(*words, "--format", "json", now=now)
    assert said.code == 0, (words, said)
    value: dict[str, Any] = json.loads(said.out)
    assert value["format_version"] == "1.0"
    return value


def test_9_8_an_order_tells_a_machine_what_became_of_it(project: Project) -> None:
    """9.8: each order has one shape; `rows` counts what it set or lifted, and the message is what text prints, but for typed keys."""
    project.run("apply")
    for words, rows in (
        (("stop", "news"), 1), (("stop", "news"), 0), (("start", "news"), 1), (("pause", "news", "--until", "2026-12-24"), 1), (("resume", "news"), 1),
        (("pause", "news", "--contact", "1", "--dry-run"), 1), (("pause", "news", "--contact", "1"), 1), (("resume", "news", "--contact", "1"), 1),
        (("cancel", "news", "--contact", "3"), 1), (("suppress", "x@example.com", "--reason", "manual"), 1), (("unsuppress", "x@example.com"), 1),
    ):  # fmt: skip
        value, dry = _json(project, *words), "--dry-run" in words
        assert set(value) == ORDER and value["kind"] == "order" and value["order"] == words[0]
        assert (value["rows"], value["carried_out"], value["dry_run"]) == (rows, not dry, dry), value
        assert value["left_in_inbox"] is value["held_by"] is None
    assert "no mail leaves" in _json(project, "stop")["message"]


def test_9_8_no_typed_key_stands_in_what_a_machine_keeps(project: Project) -> None:
    """interface.md §4: without --show-pii a record has no key in JSON, also one that was typed; a person at a terminal reads it again."""
    project.run("apply")
    for words in (("pause", "news", "--contact", "99001"), ("resume", "news", "--contact", "99001"), ("cancel", "--record", "contract:99001")):
        assert "99001" not in json.dumps(_json(project, *words)), words
        assert "99001" in project.run(*words).out


def test_9_8_an_order_that_waits_says_where_it_lies_and_for_whom(project: Project) -> None:
    """9.8: while a run holds the ledger the order lies in the inbox: not carried out yet, with the path and who holds it; also with mistakes in the files."""
    with Hold(LedgerFiles(project.root / "state" / "ledger.duckdb"), "apply", naive_utc(datetime.fromisoformat(NOW))):
        waits = _json(project, "stop")
    assert (waits["carried_out"], waits["rows"]) == (False, None) and "`apply`" in waits["held_by"]
    assert Path(waits["left_in_inbox"]).is_file() and Path(waits["left_in_inbox"]).parent == project.root / "state" / "inbox"
    (project.root / "definitions" / "sequences" / "news.yaml").write_text("id: [\n", encoding="utf-8")
    waits = _json(project, "pause", "news")
    assert not waits["carried_out"] and Path(waits["left_in_inbox"]).is_file() and waits["held_by"] is None


def test_2_events_and_care_speak_json(project: Project) -> None:
    """interface.md §2: what the text says, as values; damage keeps its exit code."""
    crm = project.root / "definitions" / "crm.yaml"
    crm.write_text(crm.read_text(encoding="utf-8") + "events: {visited: {entity: contact}}\n", encoding="utf-8")
    told = _json(project, "event", "visited", "--record", "99001", "--id", "a")
    assert set(told) == ORDER and told["rows"] == 1 and "99001" not in told["message"]
    assert _json(project, "event", "visited", "--record", "99001", "--id", "a")["rows"] == 0
    project.run("apply")
    verified = _json(project, "state", "verify")
    assert verified["ok"] and verified["faults"] == 0 and verified["serial"] > 0 and verified["findings"]
    backup = _json(project, "state", "backup")
    made = Path(backup["path"])
    assert made.is_file() and backup["bytes"] == made.stat().st_size and backup["sends"] > 0
    assert not _json(project, "state", "migrate")["changed"]
    assert "CREATE" in _json(project, "state", "roles", "--schema", "mail")["sql"]
    restored = _json(project, "state", "restore", str(made), "--accept-rollback")
    assert restored["changed"] and restored["backup_serial"] == backup["serial"] and restored["passed_over_before"] is None
    made.write_bytes(made.read_bytes()[:100])
    damaged = project.run("state", "verify", str(made), "--format", "json")
    assert damaged.code == 7 and not json.loads(damaged.out)["ok"] and json.loads(damaged.out)["faults"] == 1


def test_8_10_rekey_and_forget_speak_json(project: Project) -> None:
    """8.10: keys that the map lacks are pseudonyms; what was erased is counted, and the contact is not named."""
    project.run("apply")
    keys = project.root / "keys.csv"
    keys.write_text("old,new\n1,99001\n", encoding="utf-8")
    refused = project.run("state", "rekey", "contact", "--map", str(keys), "--format", "json")
    value = json.loads(refused.out)
    assert refused.code == 1 and not value["changed"] and len(value["missing_keys"]) == value["missing"] and all(len(key) == 16 for key in value["missing_keys"])
    done = _json(project, "state", "rekey", "contact", "--map", str(keys), "--keep-missing")
    assert done["changed"] and done["known"] == 1 and Path(done["backup"]).is_file()
    gone = _json(project, "forget", "99001")
    assert gone["kind"] == "forgotten" and gone["sends"] > 0 and "99001" not in json.dumps(gone)


def test_2_a_project_and_its_files_speak_json(tmp_path: Path, project: Project) -> None:
    """interface.md §2: `init`, `state create`, `snapshot`, `schedule export`, `codeowners` and `segment duplicate` name what they made."""
    said = engine("init", str(tmp_path / "new"), "--library", "news", "--format", "json", "--now", NOW, ENGINE_PSEUDONYM_KEY=KEY)
    assert said.code == 0 and json.loads(said.out)["path"] == str(tmp_path / "new") and json.loads(said.out)["records"]["contacts"] > 0, said
    (project.root / "state" / "ledger.duckdb").rename(project.root / "old.duckdb")
    for path in (project.root / "state").glob("ledger*"):
        path.unlink()
    assert _json(project, "state", "create")["ledger"] == str(project.root / "state" / "ledger.duckdb")
    snapshot = _json(project, "snapshot", "--anonymise", "--out", str(project.root / "ci"))
    assert snapshot["records"] == {"company": 3, "contact": 6, "contract": 6} and snapshot["environments"]["ci"]["facts"] == {"snapshot": "ci"}
    assert {row["sequence"] for row in snapshot["not_judged"]} == {"birthday"}
    schedule = _json(project, "schedule", "export", "--for", "cron")
    assert schedule["target"] == "cron" and schedule["timezone"] == "Asia/Bangkok" and schedule["text"] == project.run("schedule", "export", "--for", "cron").out
    assert not _json(project, "codeowners", now=None)["written"]
    assert _json(project, "segment", "duplicate", "readers", "readers-two")["files"] == ["definitions/segments/readers-two.yaml"]


def test_2_what_writes_files_names_them(project: Project, tmp_path: Path) -> None:
    """A segment from a file tells its counts and the places that were left out; CI's files and schemas are named; a schema is the same text either way."""
    names = tmp_path / "fair.csv"
    names.write_text("who,key\na,3\nb,nobody\nc,\nd,5\n")
    left_out = {"not_in_crm": ["line 3"], "ambiguous": [], "blank": ["line 4"]}
    made = {"segment": "fair", "made": True, "files": ["definitions/segments/fair.yaml"], "added": 2, "removed": 0, "members": 2, "left_out": left_out}
    assert _json(project, "segment", "import", "fair", str(names)) == {"format_version": "1.0", "kind": "segment_imported", **made}
    names.write_text("key\n5\n1\n")
    again = _json(project, "segment", "import", "fair", str(names), "--replace")
    assert [again[name] for name in ("made", "added", "removed", "members")] == [False, 1, 1, 2]
    written = _json(project, "ci", "init", "gitlab", now=None)
    assert all((project.root / path).is_file() for path in written["written"]) and ".gitlab-ci.yml" in written["written"]
    assert list(written["left_out"]) == [".gitlab/campaigns-impact.yml", ".gitlab/campaigns-apply.yml"] and "ledger is a file" in written["left_out"][".gitlab/campaigns-impact.yml"]
    assert all((project.root / name).is_file() for name in _json(project, "schema", "--write", now=None)["written"])
    assert project.run("schema", "--format", "json", now=None).out == project.run("schema", now=None).out

"""`engine feedback ingest`: what came back of mails, line by line."""

from __future__ import annotations

import json

from tests.cli.conftest import Project


def test_9_7_a_file_of_feedback_is_taken_in_once(project: Project) -> None:
    """9.7: by send key, the same file twice adds nothing; a mistake names its line and repeats nothing of it."""
    assert "2 mails sent" in project.run("apply").out
    sends = json.loads(project.run("sends", "--state", "sent", "--format", "json").out)["sends"]
    file = project.root / "told.jsonl"
    lines = [{"send_key": sends[0]["send_key"], "kind": "opened", "at": "2026-11-23T10:00:00+07:00"}, {"message_id": "<x@y>", "kind": "clicked", "at": "2026-11-23T10:00:00Z"}]
    file.write_text("\n".join(map(json.dumps, lines)) + "\n\n")
    first = project.run("feedback", "ingest", str(file), "--source", "test")
    assert (first.code, first.out) == (0, "1 new, 0 known already, 1 about no send of this ledger.\n")
    again = json.loads(project.run("feedback", "ingest", str(file), "--source", "test", "--format", "json").out)
    assert (again["new"], again["known"], again["unmatched"]) == (0, 1, 1)
    shown = project.run("show", sends[0]["send_key"], now=None)
    assert "\nFeedback\n  Mon 23 Nov 2026, 10:00  opened\n" in shown.out, shown.out
    assert json.loads(project.run("show", sends[0]["send_key"], "--format", "json", now=None).out)["feedback"] == [{"kind": "opened", "at": "2026-11-23T10:00:00+07:00"}]
    for bad in ("{", "[]", '{"kind": "opened"}', '{"send_key": "ana@example.com", "kind": "opened", "at": "2026-11-23T10:00:00Z"}',
                '{"message_id": "ana@example.com", "kind": "read", "at": "2026-11-23T10:00:00Z"}', '{"message_id": "ana@example.com", "kind": "opened", "at": "x"}'):  # fmt: skip
        file.write_text(json.dumps(lines[0]) + "\n" + bad)
        said = project.run("feedback", "ingest", str(file))
        assert said.code == 64 and "line 2" in said.err and "ana@" not in said.err, said.err

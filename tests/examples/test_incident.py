"""examples/incident: the change of one line that mailed 230 people 1,487 times, seen before the merge."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
from pathlib import Path

from tests.cli.conftest import engine

ROOT = Path(__file__).parents[2]
PROJECT = ROOT / "examples" / "incident"
NOW = "2026-03-31T10:00:00+01:00"
SAID = re.compile(r"^<!-- said -->\n```text\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def git(root: Path, *words: str) -> None:
    subprocess.run(["git", "-c", "user.name=T", "-c", "user.email=t@example.com", *words], cwd=root, check=True, capture_output=True)


def said_on(page: Path) -> str:
    (text,) = SAID.findall(page.read_text(encoding="utf-8"))
    return str(text)


def the_change(root: Path) -> tuple[str, ...]:
    """Both commits in a repository below `root`, and the command that compares them."""
    root /= "incident"
    shutil.copytree(PROJECT, root, ignore=shutil.ignore_patterns("state"))
    git(root, "init", "-q", "-b", "main")
    git(root, "add", ".")
    git(root, "commit", "-qm", "One mail when an invoice becomes overdue")
    git(root, "apply", "the-change.patch")
    git(root, "commit", "-qam", "Remind them on the first of the month")
    assert engine("-C", str(root), "state", "create", "--now", NOW).code == 0
    return ("-C", str(root), "diff", "--base", "main~1", "--head", "main", "--horizon", "7d", "--now", NOW)


def test_issue_5_the_diff_says_it_first(tmp_path: Path) -> None:
    """§8, 10.3: two commits; the first lines say 113 to one contact, 1,487 in all, and each guard that would block; exit 3. The pages show these lines."""
    found = engine(*the_change(tmp_path), "--detailed-exitcode")
    assert found.code == 3, found.err
    first, rest = found.out.split("\n\n")[:2], found.out
    assert first[1].splitlines()[:2] == [
        "  1,487 mails go to 230 people; without the change 5 mails to 5 people.",
        "  One contact would get 113 mails; without the change the most is 1.",
    ]
    guards = set(re.findall(r"guard (\S+)", first[1]))
    assert guards == {"first_run_max", "max_sends.per_run", "max_per_contact"}
    shown = "\n\n".join(first).replace("main~1 → main", "HEAD → work tree") + "\n"
    assert said_on(PROJECT / "README.md") == said_on(ROOT / "README.md") == shown, rest


def test_3_9_a_second_invoice_has_its_mail_and_none_on_the_day_to_pay() -> None:
    """7.2: `within_last` has today in it, which is not overdue yet. The example's own case says when each mail goes."""
    said = engine("-C", str(PROJECT), "test", "--now", NOW)
    assert (said.code, said.out.splitlines()[0][:30]) == (0, "1 case in 1 file: it holds. 5 "), said.out


def test_everybody_in_the_example_is_made_up() -> None:
    """Every address is of example.com, and nobody has two."""
    with (PROJECT / "data" / "contacts.csv").open(encoding="utf-8") as file:
        addresses = [row["email"] for row in csv.DictReader(file)]
    assert all(address.endswith("@example.com") for address in addresses) and len(set(addresses)) == len(addresses) == 260

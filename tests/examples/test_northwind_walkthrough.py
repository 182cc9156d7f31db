"""docs/how-to/northwind.md, command by command: a real Postgres, a real SMTP server, the installed `engine`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest

from tests.examples.northwind import NOW, PROJECT, SEQUENCE, WALKTHROUGH, needs_data, northwind
from tests.postgres_server import Postgres
from tests.smtp_server import Accepted, mail_server

BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)
# What each mail is about: the sequence's three templates by their subjects.
SUBJECTS = {"in-14-days": r"Your order \d+ for ", "in-7-days": r"Order \d+ is due in 7 days", "tomorrow": r"Order \d+ has not left"}


def commands() -> list[str]:
    """The commands of the walk-through, in their order; blocks marked `console` are the reader's own set-up."""
    return [line for block in BLOCK.findall(WALKTHROUGH.read_text(encoding="utf-8")) for line in block.splitlines() if line.strip()]


@pytest.fixture
def world(tmp_path: Path, postgres: Postgres) -> Iterator[tuple[Path, dict[str, str], list[Accepted]]]:
    """A copy of the example in a folder of its own, the environment for it, and what the mail server accepts."""
    shutil.copytree(PROJECT, tmp_path / "examples" / "northwind", ignore=shutil.ignore_patterns("state"))
    with northwind(postgres) as url, mail_server() as box:
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        yield tmp_path, {"PATH": path, "HOME": str(tmp_path), "NORTHWIND_URL": url, "SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(box.port)}, box.accepted


def run(command: str, folder: Path, environ: dict[str, str]) -> str:
    done = subprocess.run(command, shell=True, cwd=folder, env=environ, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    assert environ["NORTHWIND_URL"] not in done.stdout + done.stderr
    return done.stdout


def letters(accepted: list[Accepted]) -> list[EmailMessage]:
    """The mails as a reader's program sees them."""
    return [message_from_bytes(mail.data, policy=policy.default) for mail in accepted]


@needs_data
def test_the_walkthrough(world: tuple[Path, dict[str, str], list[Accepted]]) -> None:
    """Every command ends well; six mails leave to six customers, and the second apply sends nothing."""
    folder, environ, accepted = world
    said = []
    for command in commands():
        before = len(accepted)
        said.append((command, run(command, folder, environ), len(accepted) - before))
    assert [mails for command, _, mails in said if " apply " in command] == [6, 0]
    assert sum(mails for command, _, mails in said if " apply " not in command) == 0
    assert sorted(mail.recipients[0] for mail in accepted) == [f"{who}@example.org" for who in ("cactu", "ernsh", "greal", "lehms", "lilas", "peric")]
    assert all(len(mail.recipients) == 1 for mail in accepted)
    subjects = [str(mail["Subject"]) for mail in letters(accepted)]
    counts = {step: sum(bool(re.match(pattern, subject)) for subject in subjects) for step, pattern in SUBJECTS.items()}
    assert counts == {"in-14-days": 4, "in-7-days": 1, "tomorrow": 1}


@needs_data
def test_thirteen_from_the_first_of_may(world: tuple[Path, dict[str, str], list[Accepted]]) -> None:
    """With an earlier `active_from` the letters that are late, and not too late, leave as well."""
    folder, environ, accepted = world
    sequence = folder / "examples" / "northwind" / SEQUENCE
    sequence.write_text(sequence.read_text().replace("active_from: 1998-05-19", "active_from: 1998-05-01"))
    for command in ("state create", f"apply --now {NOW}", f"apply --now {NOW}"):
        run(f"engine -C examples/northwind {command}", folder, environ)
    assert len(accepted) == 13
    assert len({mail.recipients[0] for mail in accepted}) == 12  # LILA-Supermercado waits for two orders
    for mail in letters(accepted):
        html, text = mail.get_body(("html",)), mail.get_body(("plain",))
        assert html is not None
        assert text is not None
        assert "{{" not in html.get_content() + text.get_content()


def test_the_walkthrough_has_commands() -> None:
    """The page and this test agree about what is run."""
    assert sum("apply" in command for command in commands()) == 2
    assert {command.split()[0] for command in commands()} == {"engine", "sed"}

"""`make demo`: the engine's own commands, one after the other, each shown before its output.

    python -m engine.library.demo --at 2026-11-23T09:00:00+07:00 state/demo

The first time it makes a project with a made-up CRM, sends what is due into a folder, and asks again: nothing is due.
Run again, it goes on with the project that is there. `--fresh`, or another version of the engine, begins anew.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path

import click

from engine.library.demo_log import LOG

# A folder without this file was not made here, and is left alone. It says by which engine it was made.
MARK = ".made-by-demo"
# In the made-up CRM a contract that ends soon, of a company where nobody can be mailed.
UNREACHED = "contract:207"


@dataclass(frozen=True)
class Demo:
    """One project, and one moment for which every command answers."""

    folder: Path
    at: str

    def show(self, *words: str) -> None:
        """Print a command as a person would type it, then run it. Raises SystemExit with its code when it fails."""
        said = ["engine", *self._where(words), *words, "--now", self.at]
        click.secho(f"\n$ {shlex.join(said)}\n", bold=True)
        sys.stdout.flush()
        done = subprocess.run([sys.executable, "-m", *said], check=False)
        if done.returncode:
            raise SystemExit(done.returncode)

    def _where(self, words: Sequence[str]) -> tuple[str, ...]:
        return () if words[0] == "init" else ("-C", str(self.folder))


def engine_digest() -> str:
    """Of what a project is made from, the library and the shape of the ledger: one that was made from others may be refused."""
    root = Path(__file__).parents[1]
    digest = sha256()
    for path in sorted([*root.glob("ledger/**/*.sql"), *root.glob("library/**/*.*")]):
        if path.suffix == ".pyc" or not path.is_file():
            continue
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def tell(text: str) -> None:
    click.echo(f"\n# {text}")
    sys.stdout.flush()


def begin(demo: Demo) -> None:
    """A new project; what is due is shown and sent."""
    tell("A company that sells music to hotels writes reminders to its customers. First a project, with a made-up CRM.")
    demo.folder.parent.mkdir(parents=True, exist_ok=True)
    demo.show("init", str(demo.folder))
    (demo.folder / MARK).write_text(engine_digest(), encoding="utf-8")
    tell("The plan: who would get what, and for everyone else the reason. Nothing is sent by looking.")
    demo.show("plan")
    tell("Now send it. The mails become files in a folder; nothing leaves this machine.")
    demo.show("apply")


def again(demo: Demo) -> None:
    """Asked once more, nothing is due."""
    tell("Once more. The ledger knows what was sent, so nothing is due.")
    demo.show("apply")
    demo.show("plan")
    tell(f"Nobody could be told about {UNREACHED}. Why? Every gate, and everybody who was considered:")
    demo.show("explain", UNREACHED)


def close(demo: Demo, seconds: float) -> None:
    """Where the mails are, and what to try next."""
    outbox = demo.folder / "state" / "outbox" / "index.html"
    engine = f".venv/bin/engine -C {shlex.quote(str(demo.folder))}"
    lines = [
        f"Done in {seconds:.0f} s. The mails, in a browser:",
        f"  {outbox.resolve().as_uri()}",
        "",
        "Look further (`engine` is .venv/bin/engine here):",
        f"  {engine} sends --limit 5 --now {demo.at}",
        f"  {engine} explain 17 --now {demo.at}",
        f"  {engine} preview renewal-30-days --locale th --now {demo.at}",
        f"  {engine} compare --log {shlex.quote(str(demo.folder / 'state' / LOG))} --now {demo.at}",
        "",
        "docs/tutorial.md makes a mail of your own in 15 minutes. `make clean demo` begins anew.",
    ]
    click.echo("\n" + "\n".join(lines))


@click.command()
@click.option("--at", required=True, metavar="ISO8601", help="The moment for which every command answers.")
@click.option("--fresh", is_flag=True, help="Begin anew where an earlier demo is.")
@click.argument("folder", type=click.Path(path_type=Path))
def main(at: str, fresh: bool, folder: Path) -> None:
    """A plan, an apply, and mails to look at, in FOLDER."""
    if datetime.fromisoformat(at).tzinfo is None:
        raise click.UsageError(f"--at {at} has no offset; write it as {at}+07:00")
    made_here = (folder / MARK).is_file()
    if folder.exists() and not made_here and any(folder.iterdir()):
        raise click.ClickException(f"{folder} is there already and was not made by a demo; name another folder")
    started = time.monotonic()
    demo = Demo(folder, at)
    if made_here and (fresh or (folder / MARK).read_text(encoding="utf-8") != engine_digest()):
        shutil.rmtree(folder)
        made_here = False
    if made_here:
        tell(f"The project of an earlier demo is in {folder}; this goes on with it.")
    else:
        begin(demo)
    again(demo)
    close(demo, time.monotonic() - started)


if __name__ == "__main__":
    main()

"""`engine state backup`, `verify` and `restore`: the ledger's care."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli.door import Door
from engine.cli.options import format_option, now_option, pass_door
from engine.errors import LedgerRefused

if TYPE_CHECKING:
    from datetime import datetime

    from engine.ledger.care import Restored, Verified

_file = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("file", required=False, type=_file)
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@format_option("text", "json")
@now_option
@pass_door
def backup(door: Door, file: Path | None, force: bool, format_: str) -> int:
    """Copy the ledger to FILE, or into state/backups. It can be done at any time.

    While a run holds the ledger the copy that the last run left is copied; its age is said. A ledger on Postgres is backed up with
    pg_dump, or as the server is.
    """
    from engine.runs.backing_up import back_up
    from engine.views.answered import as_json
    from engine.views.phrases import iso

    site = door.site()
    made = back_up(site, file, force=force)
    door.say_age(made.copied_at, site.definitions.project.timezone)
    if format_ == "json":
        zone = site.definitions.project.timezone
        door.out(as_json("backup", path=str(made.path), sends=made.sends, serial=made.head.serial, bytes=made.size, copied_at=iso(made.copied_at, zone)))
    else:
        door.out(f"{made.path}: {made.sends:,} sends, serial {made.head.serial:,}, {_size(made.size)}. It was read again and is whole.")
    door.say("It holds addresses and mails: keep it where only you can read it, on another disk than the ledger.")
    return 0


@click.command()
@click.argument("file", required=False, type=_file)
@format_option("text", "json")
@now_option
@pass_door
def verify(door: Door, file: Path | None, format_: str) -> int:
    """Read the whole ledger, or a backup FILE, and check everything that has to agree. Writes nothing; exit 7 for damage."""
    from engine.runs.backing_up import verify as check

    site = door.site()
    checked, copied_at = check(site, file)
    door.say_age(copied_at, site.definitions.project.timezone)
    door.out(_json(checked, copied_at, site.definitions.project.timezone) if format_ == "json" else _report(checked))
    return LedgerRefused.exit_code if checked.faults else 0


@click.command()
@click.argument("file", required=False, type=_file)
@click.option("--accept-rollback", is_flag=True, help="The backup is older than the ledger was; see what it would forget without this.")
@format_option("text", "json")
@now_option
@pass_door
def restore(door: Door, file: Path | None, accept_rollback: bool, format_: str) -> int:
    """Put a backup FILE in the ledger's place so that nothing is sent again.

    Sends since the backup are taken over from the ledger that is replaced, where it can be read. Where it cannot, nothing that was due
    before now is sent. What is replaced is kept beside the ledger.

    On Postgres: after pg_restore, and without FILE. A ledger that lacks what this host saw is then refused until --accept-rollback.
    """
    from engine.runs.backing_up import restore as put_back

    site = door.site()
    done = put_back(site, file, accept_rollback=accept_rollback)
    if format_ == "json":
        door.out(_restored_json(done, site.definitions.project.timezone))
    elif done is None:
        door.out("The ledger has all that this host saw of it; there is nothing to accept, and nothing was changed.")
    else:
        door.out(_restored(door, done, site.definitions.project.timezone))
    return 0


def _restored_json(done: Restored | None, zone: str) -> str:
    from engine.views.answered import as_json
    from engine.views.phrases import iso

    if done is None:
        return as_json("restored", changed=False)
    return as_json(
        "restored",
        changed=True,
        backup_serial=done.backup.serial,
        serial=done.head.serial,
        taken_over=done.taken_over,
        taken_over_from=None if done.known_from is None else str(done.known_from),
        passed_over_before=iso(done.passed_over, zone),
        in_doubt=done.in_doubt,
        replaced=None if done.replaced is None else str(done.replaced),
    )


def _restored(door: Door, done: Restored, zone: str) -> str:
    from engine.views.phrases import moment

    said = [f"The ledger is the backup of serial {done.backup.serial:,}; it stands at {done.head.serial:,} now."]
    if done.known_from is not None:
        said.append(f"{done.taken_over:,} sends since the backup were taken over from {done.known_from.name}; they are not sent again.")
    if done.passed_over is not None:
        said.append(
            f"Not all that was sent since the backup can be known, so whatever was due before {moment(done.passed_over, zone)} "
            "is passed over (ledger_restored)."
        )
        said.append("People who unsubscribed through the engine since then may be written to again: `engine suppress` those you know of.")
    if done.in_doubt:
        said.append(f"{done.in_doubt:,} sends that the backup had as planned may have left: `{door.command('sends --state unknown')}` lists them.")
    if done.replaced is not None:
        said.append(f"What was replaced is kept: {done.replaced}")
    said.append(f"Look at `{door.command('plan')}` before the next apply.")
    return "\n".join(said)


def _json(checked: Verified, copied_at: datetime | None, zone: str) -> str:
    from engine.views.answered import as_json
    from engine.views.phrases import iso

    findings = [{"asked": one.asked, "ok": not one.fault, "told": one.fault or one.told} for one in checked.findings]
    return as_json(
        "verified",
        ledger=str(checked.path),
        ok=not checked.faults,
        serial=None if checked.head is None else checked.head.serial,
        faults=len(checked.faults),
        copied_at=iso(copied_at, zone),
        findings=findings,
    )


def _report(checked: Verified) -> str:
    lines = [str(checked.path)]
    lines += [f"  {'FAULT' if finding.fault else 'ok   '}  {finding.asked}: {finding.fault or finding.told}" for finding in checked.findings]
    if checked.faults:
        lines.append("The ledger is damaged. Nothing is sent from it. Put back the newest backup: `engine state restore FILE` says what that would forget.")
    elif checked.head is not None:
        lines.append(f"The ledger is whole; it stands at serial {checked.head.serial:,}.")
    return "\n".join(lines)


def _size(count: int) -> str:
    return f"{count / 2**20:,.1f} MiB"

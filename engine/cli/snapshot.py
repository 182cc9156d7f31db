"""`engine snapshot`: the facts and the ledger of a moment, for CI."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli.door import Door
from engine.cli.options import format_option, now_option, pass_door
from engine.errors import WrongUsage

if TYPE_CHECKING:
    from engine.runs.snapshotting import Made


@click.command()
@click.option("--anonymise", "--anonymize", is_flag=True, help="Tokens in place of keys and of what the map calls `pii`.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, metavar="DIR", help="A new folder.")
@click.option("--for", "environment", default="ci", show_default=True, metavar="ENV", help="The environment of engine.yaml that will read it.")
@format_option("text", "json")
@now_option
@pass_door
def snapshot(door: Door, anonymise: bool, out: Path, environment: str, format_: str) -> int:
    """Save the CRM and the ledger of this moment into a folder, without a person in it, so that CI can plan and diff on them.

    Keys, addresses and personal fields become keyed tokens: equal stays equal, order stays order. Dates, numbers and texts that
    are not personal stay. A sequence that asks for a personal field cannot be judged there, and is named.
    """
    if not anonymise:
        raise WrongUsage("a snapshot with people in it is not made", help="add --anonymise; the real records stay where they are")
    from engine.runs.snapshotting import make_snapshot

    made = make_snapshot(door.site(), out, environment)
    # As engine.yaml names files: from the project's folder.
    place = Path(os.path.relpath(out.resolve(), door.root)).as_posix()
    door.out(_json(made, place, environment) if format_ == "json" else _text(made, out, place, environment, door.width))
    return 0


def _json(made: Made, place: str, environment: str) -> str:
    from engine.views.answered import as_json

    not_judged = [{"sequence": id, "field": field} for id, field in made.not_judged.items()]
    wanted = {"facts": {"snapshot": place}, "ledger": {"duckdb": f"{place}/ledger.duckdb"}, "transport": "outbox"}
    return as_json(
        "snapshot",
        path=str(made.folder),
        records=dict(made.records),
        enrollments=made.enrollments,
        sends=made.sends,
        not_judged=not_judged,
        environments={environment: wanted},
    )


def _text(made: Made, out: Path, place: str, environment: str, width: int) -> str:
    from engine.views.phrases import counted, joined, wrapped

    records = joined([counted(count, entity, f"{entity[:-1]}ies" if entity.endswith("y") else f"{entity}s") for entity, count in made.records.items()])
    lines = wrapped(f"A snapshot in {out}: {records}; {counted(made.enrollments, 'enrollment')} and {counted(made.sends, 'send')} of the ledger.", width)
    for id, field in made.not_judged.items():
        lines += wrapped(f"not judged there: {id}, it asks for `{field}`", width, first="  ")
    lines += ["", f"In engine.yaml, below `environments:`, as `{environment}`:"]
    lines += [f"    facts: {{snapshot: {place}}}", f"    ledger: {{duckdb: {place}/ledger.duckdb}}", "    transport: outbox"]
    return "\n".join(lines) + "\n"

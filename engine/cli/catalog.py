"""What commands there are, in words and by module: help is shown from here, and a command's module is imported when it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import NamedTuple

import click

from engine.errors import WrongUsage


class Entry(NamedTuple):
    """One command: its name, where it lives, and one line of help."""

    name: str
    place: str
    help: str


SECTIONS: Mapping[str, Sequence[Entry]] = {
    "Begin": (
        Entry("init", "init:init", "A new project: the example library and a demo CRM."),
        Entry("doctor", "doctor:doctor", "What is wrong with the set-up, and how to mend it."),
        Entry("ci", "ci:ci", "The files of CI: checks, the impact of a change, the apply."),
        Entry("schema", "schema:schema", "JSON Schema of every kind of file, for editors."),
    ),
    "Write": (
        Entry("validate", "validate:validate", "Check the definitions; --facts: the map too."),
        Entry("variables", "variables:variables", "The variable guide: what a template may say."),
        Entry("preview", "preview:preview", "A mail as it would look, for samples or for a real record."),
        Entry("segment", "segment:segment", "Segments: who belongs together; lists edited, in and out."),
        Entry("codeowners", "codeowners:codeowners", "CODEOWNERS from `owner:` in the files."),
        Entry("test", "proving:test", "The campaign tests: who would get what, in memory."),
        Entry("diff", "diff:diff", "What a change of the definitions does to people."),
        Entry("simulate", "simulate:simulate", "The mails of the coming days, as a calendar."),
        Entry("snapshot", "snapshot:snapshot", "The CRM and the ledger for CI, without a person in it."),
    ),
    "Run": (
        Entry("plan", "plan:plan", "Who gets what now, why, and why not. Nothing is written."),
        Entry("apply", "apply:apply", "Do what is due: plan, check the guards, send, record."),
        Entry("deliver", "deliver:deliver", "Send what an apply has planned; as many at once as you like."),
        Entry("explain", "explain:explain", "Every gate for one contact or record; or what a code means."),
        Entry("attention", "attention:attention", "What needs a person, by owner, and what mends it."),
        Entry("schedule", "scheduling:schedule", "The jobs for cron, systemd, GitHub, Kubernetes, Render."),
        Entry("status", "status:status", "Stops, pauses, the last runs, doubts."),
    ),
    "People": (
        Entry("enroll", "enroll:enroll", "Put contacts, companies, records or a segment on a sequence."),
        Entry("enrollments", "enrollments:enrollments", "Who is on which sequence, and how far."),
        Entry("event", "event:event", "Tell that something happened to a record."),
        Entry("pause", "pausing:pause", "Hold a sequence, or people on their way."),
        Entry("resume", "pausing:resume", "Lift a pause."),
        Entry("cancel", "pausing:cancel", "End people's way on a sequence, for good."),
        Entry("suppress", "suppressing:suppress", "Never write to an address."),
        Entry("unsuppress", "suppressing:unsuppress", "Lift a suppression."),
    ),
    "Stop": (
        Entry("stop", "stopping:stop", "Stop all sending, or one sequence's, at once."),
        Entry("start", "stopping:start", "Lift a stop."),
    ),
    "Ledger": (
        Entry("sends", "sends:sends", "What went to whom, and when."),
        Entry("show", "show:show", "One send: its run, its commit, the mail as it was sent."),
        Entry("resolve", "resolve:resolve", "Settle a send whose outcome is unknown."),
        Entry("feedback", "feedback_group:feedback", "What came back of mails: bounces, complaints, opens, clicks."),
        Entry("forget", "forget:forget", "Erase what is personal about a contact, or is old."),
        Entry("compare", "compare:compare", "Our plans beside another system's log; nothing is written."),
        Entry("import", "import_group:import_", "Take over another system's log, people and definitions."),
        Entry("state", "state:state", "The ledger's care: create, backup, restore, move …"),
    ),
}

# What later stages bring: listed, and refused with a clear word until it works.
LATER: Mapping[str, str] = {
    "studio": "pages to edit the files",
    "serve": "the web service",
    "report": "the static report",
}


def refuse_later(what: str) -> None:
    """Say that something belongs to a later version. Raises WrongUsage (exit 64)."""
    raise WrongUsage(f"{what} is not in this version yet; a later one brings it")


class LaterCommand(click.Command):
    """A command that is known by name only: whatever follows it, it is refused."""

    def __init__(self, name: str) -> None:
        super().__init__(name, add_help_option=False, hidden=True, context_settings={"ignore_unknown_options": True, "allow_extra_args": True})

    def invoke(self, context: click.Context) -> None:
        refuse_later(f"`{context.command_path}`")


class Catalog(click.Group):
    """A group whose commands are imported when they are asked for."""

    def list_commands(self, context: click.Context) -> list[str]:
        return [entry.name for entries in SECTIONS.values() for entry in entries]

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        for entries in SECTIONS.values():
            for entry in entries:
                if entry.name == name:
                    module, _, attribute = entry.place.partition(":")
                    found = getattr(import_module(f"engine.cli.{module}"), attribute)
                    return found if isinstance(found, click.Command) else None
        return LaterCommand(name) if name in LATER else None

    def resolve_command(self, context: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0] if args else ""
        if not name.startswith("-") and self.get_command(context, name) is None:
            close = get_close_matches(name, self.list_commands(context), 1)
            raise click.UsageError(f"there is no command `{name}`" + (f"; did you mean `{close[0]}`?" if close else ""), context)
        return super().resolve_command(context, args)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        for section, entries in SECTIONS.items():
            with formatter.section(section):
                # Padded to one width, so that all sections have their texts in one column.
                formatter.write_dl([(entry.name.ljust(11), entry.help) for entry in entries])
        with formatter.section("Later (not in this version)"):
            formatter.write_text(", ".join(sorted(LATER)))

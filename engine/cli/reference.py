"""The generated pages of docs/reference, made from the code itself: `python -m engine.cli.reference docs/reference`."""

from __future__ import annotations

import inspect
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from engine.cli import cli
from engine.cli.catalog import LATER, SECTIONS, Catalog
from engine.definitions.operands import OPERATORS_OF
from engine.definitions.rules import OPERATORS
from engine.definitions.schema import schemas
from engine.definitions.sequences import SequenceGuards
from engine.plan.gates import GATES, Decided, Reason
from engine.plan.guards import GUARDS
from engine.views.codes import all_codes
from engine.views.reasons import BESIDE, REASONS, Words

_MADE = "<!-- Made by `make docs` from the code. Do not edit. -->\n"

# What each operator says, for people; a test holds that none is missing.
OPERATOR_WORDS: Mapping[str, str] = {
    "equals": "is this value; `path: value` is short for it",
    "not_equals": "is another value, or has none",
    "contains": "has this text somewhere inside",
    "not_contains": "does not have this text inside, or has no value",
    "starts_with": "begins with this text",
    "ends_with": "ends with this text",
    "greater_than": "is more than this; for dates: later",
    "greater_than_or_equal": "is this or more",
    "less_than": "is less than this; for dates: earlier",
    "less_than_or_equal": "is this or less",
    "between": "lies between two values, both included; the smaller stands first",
    "in_list": "is one of these; `path: [a, b]` is short for it",
    "is_empty": "has no value; blank text is no value",
    "is_not_empty": "has a value",
    "before": "is a day before this one",
    "after": "is a day after this one",
    "on": "is this day",
    "within_last": "lies in the time that ends now, such as `30d`",
    "within_next": "lies in the time that begins now, such as `30d`; today is in it",
}
_CLASSES = {
    "E1": "E1xx: form",
    "E2": "E2xx: references, variables and templates",
    "E3": "E3xx: rules and types",
    "E4": "E4xx: facts",
    "E5": "E5xx: guards",
    "E6": "E6xx: delivery",
}
# The rule language has a page of its own.
_RULES = ("Rule", "Condition", "Operators")


def pages() -> dict[str, str]:
    """File name to text; the same code gives the same bytes."""
    made = {
        "commands.md": _commands(),
        "reasons.md": _reasons(),
        "errors.md": _errors(),
        "operators.md": _operators(),
        "guards.md": _guards(),
        "keys.md": _keys(),
    }
    return {name: text.rstrip() + "\n" for name, text in made.items()}


def write_pages(folder: Path) -> list[Path]:
    """Write every page; gives the files."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")
        written.append(folder / name)
    return written


def _page(title: str, intro: str, parts: Iterable[str]) -> str:
    return f"{_MADE}\n# {title}\n\n{intro}\n\n" + "\n".join(parts)


def _cell(text: object) -> str:
    return " ".join(str(text).split()).replace("|", "\\|")


def _table(head: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"| {' | '.join('---' for _ in head)} |"]
    lines += [f"| {' | '.join(_cell(value) for value in row)} |" for row in rows]
    return "\n".join(lines) + "\n"


# --- commands ---------------------------------------------------------------------------------------------------------


def _commands() -> str:
    catalog = cli
    assert isinstance(catalog, Catalog)
    parts = ["## engine\n", "Before the command:\n", _options(catalog)]
    for section, entries in SECTIONS.items():
        parts.append(f"## {section}\n")
        for entry in entries:
            command = catalog.get_command(click.Context(catalog), entry.name)
            assert command is not None
            parts += list(_command(command, f"engine {entry.name}"))
    rows = [(f"`{name}`", what) for name, what in sorted(LATER.items())]
    parts += ["## Later\n", "These are refused with a word until they work (exit 64).\n", _table(("command", "brings"), rows)]
    parts += ["## Exit codes\n", _exit_codes()]
    intro = "`engine [-C DIR] [--env NAME] COMMAND`. Data goes to stdout, messages and progress to stderr. Nothing asks questions."
    return _page("Commands", intro, parts)


def _command(command: click.Command, path: str) -> Iterator[str]:
    usage = " ".join([path, *command.collect_usage_pieces(click.Context(command))])
    yield f"### {path}\n"
    yield f"```text\n{usage}\n```\n"
    yield "\n\n".join(" ".join(paragraph.split()) for paragraph in inspect.cleandoc(command.help or "").split("\n\n")) + "\n"
    yield _options(command)
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None and not below.hidden:
                yield from _command(below, f"{path} {name}")


def _options(command: click.Command) -> str:
    rows = []
    for parameter in command.params:
        if isinstance(parameter, click.Option) and not parameter.hidden:
            names = " / ".join([", ".join(parameter.opts), *([", ".join(parameter.secondary_opts)] if parameter.secondary_opts else [])])
            takes = "" if parameter.is_flag else f" {parameter.make_metavar(click.Context(command))}"
            needed = " Required." if parameter.required else ""
            shown = parameter.show_default if isinstance(parameter.show_default, str) else parameter.default
            default = f" {shown} if not said." if parameter.show_default else ""
            rows.append((f"`{names}{takes}`", f"{parameter.help or ''}{default}{needed}"))
    return _table(("option", "means"), rows) if rows else ""


def _exit_codes() -> str:
    rows = [
        (0, "done"),
        (1, "the definitions or the run are in error"),
        (2, "changes are present; only with `--detailed-exitcode`"),
        (3, "a guard blocks"),
        (4, "the saved plan, or the digest that was expected, is stale"),
        (5, "the lock is held; the message says by whom and since when"),
        (6, "finished, and in this run something failed, became unknown or could not be handed over"),
        (7, "the ledger is refused: missing, older, of another project, or damaged"),
        (64, "wrong usage"),
        (130, "interrupted"),
    ]
    return _table(("code", "means"), rows)


# --- codes ------------------------------------------------------------------------------------------------------------


def _reasons() -> str:
    rows = [(gate.number, gate.asks, gate.decision, ", ".join(f"[`{reason}`](#{reason})" for reason in gate.reasons)) for gate in GATES]
    parts = [
        "## The gates, in order\n",
        _table(("gate", "asks that", "if not", "reasons"), rows),
        "The last gate passes everything that is left: the mail goes.\n",
        "## Reasons\n",
    ]
    for reason in Reason:
        parts += _reason(reason, REASONS[reason], _where(reason))
    parts += ["## Beside the funnel\n", "Records and people who enter nothing are counted once each, with one of these.\n"]
    for code, words in BESIDE.items():
        # `no_recipient_yet` and `before_introduction` also name a reason; a heading must be one of a kind.
        parts += _reason(code if code not in Reason._value2member_map_ else f"{code} (beside)", words, "counted beside the funnel")
    intro = "A plan judges each enrollment by the gates below. The first one that does not pass gives the decision and its reason. `engine explain CODE` prints what stands here."
    return _page("Gates and reasons", intro, parts)


def _where(reason: Reason) -> str:
    return next((f"gate {gate.number}, {gate.decision}" for gate in GATES if reason in gate.reasons), f"beside the gates, {Decided.UNREACHED}")


def _reason(code: str, words: Words, where: str) -> list[str]:
    lines = [f"### {code}\n", f"*{words.short}* ({where})\n", f"{words.long}\n"]
    return [*lines, f"To mend: {words.mend}\n"] if words.mend else lines


def _errors() -> str:
    parts = []
    for prefix, title in _CLASSES.items():
        parts.append(f"## {title}\n")
        for code, (name, text) in all_codes().items():
            if code.startswith(prefix):
                parts += [f"### {code}: {name}\n", f"{text}\n"]
    return _page("Error codes", "Every error has a code, a place and a way out. `engine explain CODE` prints what stands here.", parts)


def _operators() -> str:
    meaning = _table(("operator", "holds where the field"), [(f"`{operator}`", OPERATOR_WORDS[operator]) for operator in OPERATORS])
    types = list(OPERATORS_OF)
    rows = [(f"`{operator}`", *("yes" if operator in OPERATORS_OF[type_] else "" for type_ in types)) for operator in OPERATORS]
    parts = [meaning, "## Which operator fits which type\n", _table(("operator", *types), rows)]
    intro = "What stands below a path in a rule. [The language](language.md#rules) tells how rules are put together."
    return _page("Operators", intro, parts)


def _guards() -> str:
    rows = [(f"`{name}`", what, "yes" if name in SequenceGuards.model_fields else "") for name, what in GUARDS.items()]
    intro = textwrap.dedent("""\
        Guards stop a mistake before the first mail. They stand in `engine.yaml` under `guards:`; but for `min_facts` (1 for each entity that people
        on their way need) a guard holds only where it is said. One about a single sequence holds that sequence, the others go; any other blocks the run,
        and nothing is written. Both end with exit 3, and the plan prints the override, such as `engine apply --allow first_run_max=120 --reason "…"`.

            guards:
              max_sends: {per_run: 500, per_day: 2000}
              max_per_contact: {max: 3, per: 24h}
              first_run_max: 50
              min_facts: {contact: 1}
              max_shrink: 20%
              max_growth: 3                  # times as many as on the greatest day of two weeks
              max_share_of_audience: 30%
              max_exits: 20%
              max_drift: 2                   # times as many people as at the last apply, or as few
              facts_max_age: 36h             # where the CRM is a file that somebody exports

        A guard of a sequence counts what it would send before frequency caps hold some of it. The `max_growth` of the project counts all mails together,
        that of a sequence its own. Within 15 days of the first apply it is asked only once there is a day with mail before this one. The audience of a date trigger is everybody whose record matches it, due or not; of other triggers who is on the way. For
        `max_drift` it is everybody whose record matches the date trigger, or is in the segment that the trigger names; of events and enrollments by hand nobody
        knows who they will be for, and they have no drift.""")
    return _page("Guards", intro, [_table(("guard", "counts", "a sequence may say it too"), rows)])


# --- keys -------------------------------------------------------------------------------------------------------------

_FILES = {
    "project": "engine.yaml", "crm": "definitions/crm.yaml", "type": "definitions/types/*.yaml", "template": "definitions/templates/*.yaml",
    "segment": "definitions/segments/*.yaml", "sequence": "definitions/sequences/*.yaml", "enrollment": "definitions/enrollments/*.yaml",
    "test": "definitions/tests/*.yaml, a list of cases",
}  # fmt: skip


def _keys() -> str:
    parts = []
    for file, schema in schemas().items():
        parts.append(f"## {_FILES[file.removesuffix('.json')]}\n")
        parts.append(_object(schema["$defs"]["Case"] if schema.get("type") == "array" else schema))
        for name, below in sorted(schema.get("$defs", {}).items()):
            if name not in (*_RULES, "Case") and _properties(below):
                parts += [f"**{name}**\n", _object(below)]
    intro = "Every key of every kind of file, from the same models that check them. `engine schema --write` gives this to your editor. [The language](language.md) says what the keys mean."
    return _page("Keys", intro, parts)


def _properties(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    for member in [schema, *schema.get("anyOf", [])]:
        if member.get("properties"):
            return dict(member["properties"])
    return {}


def _object(schema: Mapping[str, Any]) -> str:
    required = schema.get("required", next((member["required"] for member in schema.get("anyOf", []) if "required" in member), []))
    rows = [(f"`{key}`", "yes" if key in required else "", _takes(value), _default(value)) for key, value in _properties(schema).items()]
    return _table(("key", "needed", "takes", "if not said"), rows)


def _default(schema: Mapping[str, Any]) -> str:
    default = schema.get("default")
    if default is None or default in ("", [], {}) or isinstance(default, dict):
        return ""
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _takes(schema: Mapping[str, Any]) -> str:
    """What a key takes, in a few words."""
    if "$ref" in schema:
        name = str(schema["$ref"]).rsplit("/", 1)[1]
        return "a [rule](language.md#rules)" if name in _RULES else f"a mapping: {name}"
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    for union in ("anyOf", "oneOf"):
        if union in schema:
            return ", or ".join(dict.fromkeys(_takes(member) for member in schema[union]))
    kind = schema.get("type")
    if kind == "array":
        return f"a list of: {_takes(schema['items'])}" if isinstance(schema.get("items"), dict) else "a list"
    if kind == "object":
        below = schema.get("additionalProperties") or next(iter(schema.get("patternProperties", {}).values()), None)
        return f"a mapping by name of: {_takes(below)}" if isinstance(below, dict) else "a mapping"
    words = {"string": "text", "integer": "a whole number", "number": "a number", "boolean": "true or false", "null": "null"}
    told = words.get(str(kind), "anything")
    return f"{told}, such as `{schema['examples'][0]}`" if schema.get("examples") else told


if __name__ == "__main__":
    for path in write_pages(Path(sys.argv[1])):
        click.echo(path.as_posix())

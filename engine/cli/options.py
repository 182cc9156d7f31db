"""Options that several commands share, each said once."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import Any, TypeVar, cast

import click

from engine.cli.catalog import refuse_later
from engine.cli.door import Door
from engine.errors import WrongUsage

Wrapped = TypeVar("Wrapped", bound=Callable[..., Any])
_pass_door = click.make_pass_decorator(Door)


def pass_door(function: Wrapped) -> Wrapped:
    """The command's door, its first argument. WrongUsage, before anything is done, for a word that is there with nothing in it."""

    def with_whole_words(*given: Any, **named: Any) -> Any:
        refuse_blank(click.get_current_context())
        return function(*given, **named)

    return cast(Wrapped, _pass_door(update_wrapper(with_whole_words, function)))


def refuse_blank(context: click.Context) -> None:
    """WrongUsage for an argument or an option whose value is blank: a script's variable that is not set names nobody, and not everybody.

    Free text that may be left out (`--note`) may be empty.
    """
    for parameter in context.command.params:
        value = context.params.get(parameter.name or "")
        if parameter.default != "" and any(isinstance(one, str) and not one.strip() for one in (value if isinstance(value, tuple) else (value,))):
            what = parameter.opts[0] if isinstance(parameter, click.Option) else parameter.human_readable_name
            raise WrongUsage(f"{what} is there, and has nothing in it", help="say what is meant, or leave it out; the variable of a script may not be set")
    if context.parent is not None:
        refuse_blank(context.parent)


def now_option(function: Wrapped) -> Wrapped:
    """`--now`: the moment for which the command answers."""

    def remember(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
        if value is not None:
            context.ensure_object(Door).now_said = value

    return click.option(
        "--now",
        metavar="ISO8601",
        expose_value=False,
        callback=remember,
        help="Answer for this moment, such as 2026-01-05T09:00:00+07:00; the present if not said.",
    )(function)


def format_option(*formats: str) -> Callable[[Wrapped], Wrapped]:
    """`--format`, the first one if not said."""
    return click.option("--format", "format_", type=click.Choice(formats), default=formats[0], show_default=True, help="How the answer is written.")


def pii_option(function: Wrapped) -> Wrapped:
    """`--show-pii`: the CRM's own keys and addresses in place of pseudonyms."""
    return click.option("--show-pii", is_flag=True, help="Show the CRM's own keys, names and addresses; refused in CI.")(function)


def later_option(*names: str) -> Callable[[Wrapped], Wrapped]:
    """An option that a later version brings: known, not shown, refused."""

    def refuse(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
        if value is not None:
            refuse_later(f"`{parameter.opts[0]}` of `{context.command_path}`")

    return click.option(*names, expose_value=False, hidden=True, callback=refuse)


def page_options(function: Wrapped) -> Wrapped:
    """`--limit` and `--offset`: a page of many rows."""
    function = click.option("--offset", type=click.IntRange(0), default=0, help="How many rows to pass over.")(function)
    return click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="How many rows.")(function)


def duration_option(name: str, default: str, help: str) -> Callable[[Wrapped], Wrapped]:
    """A span of time as the definitions write it. A business day is none: a horizon has no calendar."""

    def read(context: click.Context, parameter: click.Parameter, value: str) -> Any:
        from engine.clock import Duration

        try:
            duration = Duration.parse(value)
        except ValueError as error:
            raise click.BadParameter(str(error)) from None
        if duration.unit == "bd" or not duration.count or _days(duration) > MOST_DAYS:
            raise click.BadParameter(f"`{value}`: at least 1min and at most {MOST_DAYS}d, without business days")
        return duration

    return click.option(name, default=default, show_default=True, callback=read, metavar="DURATION", help=help)


# Facts do not stand still for longer: what would be told of later days is worth little.
MOST_DAYS = 400
_DAYS = {"min": 1 / 1440, "h": 1 / 24, "d": 1, "w": 7, "mo": 31, "y": 366}


def _days(duration: Any) -> float:
    return float(duration.count * _DAYS[duration.unit])

"""engine.yaml against itself: locales, addresses, environments."""

from __future__ import annotations

import re
from collections.abc import Iterator

from engine.definitions.base import Loc
from engine.definitions.draft import Draft
from engine.definitions.references import entity
from engine.definitions.selecting import select_sequences
from engine.errors import WrongUsage
from engine.problems import Problem

# The form that a mail's head takes (engine/messages/addresses.py, which lies above): a mail from another one could not be made, and all would fail.
_ATOM, _LABEL = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+", r"[A-Za-z0-9-]{0,61}[A-Za-z0-9]"
_ADDRESS = re.compile(rf"(?=.{{1,64}}@)(?=.{{1,254}}\Z){_ATOM}(\.{_ATOM})*@([A-Za-z0-9]({_LABEL})?\.)+[A-Za-z]({_LABEL})?\Z")
_LOCALE = re.compile(r"[a-z]{2,3}([-_][A-Z][a-z]{3})?([-_]([A-Z]{2}|[0-9]{3}))?\Z")
_VARIABLE = re.compile(r"\$\{")
_WELL_FORMED = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\}")


def is_address(text: str) -> bool:
    """Whether a text looks like one bare address.

    >>> is_address("accounts@example.com"), is_address("Accounts <accounts@example.com>")
    (True, False)
    """
    return _ADDRESS.match(text) is not None


def _how_to_write(text: str, more: str = "") -> str:
    if not text.isascii():
        return "the head of a mail takes plain letters only: write the domain in its plain form, such as `xn--mnchen-3ya.example`"
    return f"write it bare, such as `hello@example.com`{more}"


def locales(draft: Draft) -> Iterator[Problem]:
    if draft.project is None:
        return
    places = draft.where("project", "project")
    for index, locale in enumerate(draft.project.locales):
        if not _LOCALE.match(locale):
            yield Problem(
                "E253",
                f"`{locale}` is not a locale",
                places.value("locales", index),
                "write a language such as `en` or `th`, or a language and a country such as `pt-BR`",
            )
    for id, topic in draft.project.topics.items():
        for locale in topic.name:
            if locale not in draft.project.locales:
                listed = ", ".join(draft.project.locales)
                yield Problem("E253", f"`{locale}` is not a locale of this project", places.key("topics", id, "name", locale), f"`locales:` has {listed}")


def addresses(draft: Draft) -> Iterator[Problem]:
    """What must be an address is one, or (for lists of recipients) a pattern such as `*@example.com`."""
    project = draft.project
    if project is not None:
        plain: list[tuple[Loc, str]] = [(("sender", "address"), project.sender.address)]
        if project.sender.reply_to is not None:
            plain.append((("sender", "reply_to"), project.sender.reply_to))
        plain += [(("owners", name), address) for name, address in project.owners.items()]
        patterns: list[tuple[Loc, str]] = [(("testers", index), pattern) for index, pattern in enumerate(project.testers)]
        for name, environment in project.environments.items():
            patterns += [(("environments", name, "allow_recipients", index), pattern) for index, pattern in enumerate(environment.allow_recipients)]
            if environment.redirect_to is not None and not _VARIABLE.search(environment.redirect_to):
                plain.append((("environments", name, "redirect_to"), environment.redirect_to))
        places = draft.where("project", "project")
        for loc, text in plain:
            if not is_address(text) and not (_VARIABLE.search(text) and loc[0] != "environments"):
                yield Problem("E120", f"`{text}` is not an address", places.value(*loc), _how_to_write(text, "; the name stands in `name:`"))
        for loc, text in patterns:
            if text != "*" and not _VARIABLE.search(text) and not is_address(text.replace("*", "x") if text.startswith("*@") else text):
                yield Problem(
                    "E120",
                    f"`{text}` is neither an address nor a pattern",
                    places.value(*loc),
                    'write `ann@example.com`, `"*@example.com"`, or `"*"` for everybody',
                )
    for id, sequence in draft.sequences.items():
        if sequence.reply_to is not None and not is_address(sequence.reply_to):
            place = draft.where("sequence", id).value("reply_to")
            yield Problem("E120", f"`{sequence.reply_to}` is not an address", place, _how_to_write(sequence.reply_to))


def environments(draft: Draft) -> Iterator[Problem]:
    """Variables of the environment stand only in environments; guards name entities."""
    if draft.project is None:
        return
    places = draft.where("project", "project")
    data = draft.data[("project", "project")]
    for loc, text in _texts({key: value for key, value in data.items() if key != "environments"}):
        if _VARIABLE.search(text):
            yield Problem(
                "E126", "`${…}` is read only below `environments:`", places.value(*loc), "write the value itself; what is secret belongs to an environment"
            )
    for loc, text in _texts({"environments": data["environments"]}):
        if _VARIABLE.search(_WELL_FORMED.sub("", text)):
            yield Problem(
                "E126", "this `${` is no variable", places.value(*loc), "write `${NAME}` or `${NAME:-default}`; a name has letters, digits and underscores"
            )
    for name in draft.project.guards.min_facts or {}:
        yield from entity(draft, name, places.key("guards", "min_facts", name))


def jobs(draft: Draft) -> Iterator[Problem]:
    """What a job selects is there: a job that selects nothing would be quiet for ever."""
    if draft.project is None or draft.broken:
        return
    places = draft.where("project", "project")
    for name, job in draft.project.jobs.items():
        if job.select is None:
            continue
        try:
            select_sequences(draft, job.select)
        except WrongUsage as wrong:
            yield Problem("E280", f"the job `{name}`: {wrong.message.removeprefix('--select: ')}", places.value("jobs", name, "select"), wrong.help)


def _texts(data: object, loc: Loc = ()) -> Iterator[tuple[Loc, str]]:
    if isinstance(data, dict):
        for key, value in data.items():
            yield from _texts(value, (*loc, key))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from _texts(value, (*loc, index))
    elif isinstance(data, str):
        yield loc, data

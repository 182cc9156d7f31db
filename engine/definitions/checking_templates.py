"""Templates against their types, layouts and locales. What stands inside subjects and bodies is `engine.messages.checking`."""

from __future__ import annotations

from collections.abc import Iterator

from engine.definitions import references
from engine.definitions.draft import Draft
from engine.definitions.translating import did_you_mean
from engine.definitions.variables import COMMON, lineage
from engine.problems import Problem


def templates(draft: Draft) -> Iterator[Problem]:
    for id, template in draft.templates.items():
        places = draft.where("template", id)
        place = places.value("type")
        type_ = draft.types.get(template.type)
        if template.type == COMMON or (type_ is not None and type_.abstract):
            why = "belongs to every type" if template.type == COMMON else "is only to be extended"
            yield Problem("E251", f"the type `{template.type}` {why}; no template has it", place, "make a type of its own for this template")
        else:
            yield from references.refer(draft, "type", template.type, place)
        # The default needs no file: the built-in page stands in for it.
        if template.layout is not None and "layout" in template.model_fields_set:
            yield from references.refer(draft, "layout", template.layout, places.value("layout"))
        if draft.project is None:
            continue
        for part in ("subject", "preheader", "body", "text"):
            for locale in getattr(template, part):
                if locale not in draft.project.locales:
                    help = did_you_mean(locale, draft.project.locales, "the project's locales are")
                    yield Problem("E253", f"`{locale}` is not a locale of this project", places.key(part, locale), help)


def marketing(draft: Draft) -> Iterator[Problem]:
    """Who sends marketing says where he is, and gives a link to unsubscribe (6.20)."""
    project = draft.project
    if project is None:
        return
    first = next((id for id in sorted(draft.types) if any(above.category == "marketing" for above in lineage(draft.types, id))), None)
    if first is None:
        return
    places = draft.where("project", "project")
    because = ((draft.where("type", first).value("category"), "the first type of marketing"),)
    if not (project.sender.postal_address or "").strip():
        yield Problem(
            "E252",
            "marketing needs the sender's postal address",
            places.key("sender"),
            "write `postal_address: 1 Sukhumvit Road, Bangkok` under `sender:`",
            because,
        )
    link = project.links.unsubscribe
    if link is None:
        help = 'write `links: {unsubscribe: "https://mail.example.com/u/{token}"}`'
        yield Problem(
            "E252", "marketing needs a link to unsubscribe", places.key("links") if "links" in project.model_fields_set else places.value(), help, because
        )
    elif "{token}" not in link or not link.startswith("https://"):
        # RFC 8058 asks for https; a mail with another link could not be made.
        lacks = "`{token}`: it could not tell who asks" if "{token}" not in link else "https://"
        yield Problem(
            "E252", f"the link to unsubscribe has no {lacks}", places.value("links", "unsubscribe"), "write `https://mail.example.com/u/{token}`", because
        )

"""The text of a mail, as one digest: equal digests are equal letters, whoever reads them."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from engine.definitions.definitions import Definitions
from engine.definitions.variables import category_of, topic_of, variables_of
from engine.messages.page import with_partials
from engine.messages.sandbox import Refused
from engine.messages.sources import best_source, locale_used, source_of
from engine.messages.usage import used_variables


def letter_digest(definitions: Definitions, sequence: str, template: str, locale: str | None) -> str:
    """Of all that makes the mail's words: its texts, layout, partials, the variables that it names, and the sender."""
    return hashlib.sha256(json.dumps(_letter(definitions, sequence, template, locale), sort_keys=True, default=str).encode()).hexdigest()


def _letter(definitions: Definitions, sequence: str, template_id: str, locale: str | None) -> dict[str, Any]:
    template, used = definitions.templates[template_id], locale_used(definitions, template_id, locale)
    texts = [
        best_source(definitions, template, "subject", used),
        source_of(definitions, template, "preheader", used),
        best_source(definitions, template, "body", used),
        source_of(definitions, template, "text", used),
    ]
    sources = [text.text or "" if text is not None else None for text in texts]
    layout = definitions.layouts.get(template.layout or "")
    sources.append(layout.html if layout else None)
    variables = variables_of(definitions, template.type)
    project, path = definitions.project, definitions.sequences.get(sequence)
    return {
        "texts": [None if text is None else _whole(text, definitions) for text in sources],
        "locale": used,
        # The description and the sample are for whoever writes; the reader never sees them.
        "variables": {
            name: [variables[name].model_dump(mode="json", exclude={"description", "sample", "where"}), repr(variables[name].where)]
            for name in sorted(used_variables(definitions, template_id, locale))
        },
        "sender": project.sender.model_dump(mode="json"),
        "links": project.links.model_dump(mode="json"),
        "reply_to": path.reply_to if path else None,
        "category": [category_of(definitions, template_id), topic_of(definitions, template_id)],
    }


def _whole(text: str, definitions: Definitions) -> str:
    try:
        return with_partials(text, definitions.partials)
    except Refused:
        return text

"""A site on an anonymised snapshot: whose key it has, and which sequences can be judged there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.definitions.definitions import Definitions
from engine.definitions.environments import ResolvedEnvironment
from engine.definitions.project import SnapshotFacts
from engine.definitions.rules import Compare, History, Rule, walk
from engine.definitions.using import rules_of, segments_in
from engine.errors import FactsUnreadable
from engine.facts.needs import tested
from engine.ledger.pseudonyms import KEY_FILE, Pseudonyms, read_pseudonyms
from engine.problems import Problem
from engine.runs.tokens import Tokens

MANIFEST = "snapshot.json"


def pseudonyms_for(root: Path, state: Path, environment: ResolvedEnvironment, environ: Mapping[str, str]) -> Pseudonyms:
    """The project's key; of a snapshot the one that it was made with, which opens nothing else."""
    if isinstance(environment.facts, SnapshotFacts) and (root / environment.facts.snapshot / KEY_FILE).is_file():
        return read_pseudonyms(root / environment.facts.snapshot, None)
    return read_pseudonyms(state, environ.get("ENGINE_PSEUDONYM_KEY"))


def judged(definitions: Definitions, environment: ResolvedEnvironment, root: Path, pseudonyms: Pseudonyms) -> tuple[Definitions, tuple[Problem, ...]]:
    """The definitions as they can be judged on this environment's facts, and a note for each sequence that cannot.

    On an anonymised snapshot sequences that test a personal field are left out, and keys that the files name are the tokens there.
    """
    facts = environment.facts
    if not isinstance(facts, SnapshotFacts):
        return definitions, ()
    manifest = read_manifest(root / facts.snapshot)
    if not manifest.get("anonymised"):
        return definitions, ()
    why = {id: field for id in definitions.sequences if (field := personal_field(definitions, id)) is not None}
    notes = [
        Problem(
            "E411", f"`{id}` is not judged on an anonymised snapshot: it asks for `{field}`", definitions.where("sequence", id).value("id"), severity="warning"
        )
        for id, field in sorted(why.items())
    ]
    tokens, known = Tokens(pseudonyms.key), manifest.get("named", {})

    def token(entity: str, key: str) -> str:
        said = known.get(entity, {}).get(tokens.hash(f"{entity}:{key}"))
        return str(said) if said is not None else f"gone-{tokens.hash(f'{entity}:{key}')[:16]}"

    sequences = {id: one for id, one in definitions.sequences.items() if id not in why}
    enrollments = {
        id: one.model_copy(update={"contacts": tuple(token(sequences[one.sequence].about, str(key)) for key in one.contacts)})
        if one.contacts is not None
        else one
        for id, one in definitions.enrollments.items()
        if one.sequence in sequences
    }
    members = {id: tuple(token(definitions.segments[id].entity, key) for key in keys) for id, keys in definitions.members.items()}
    return replace(definitions, sequences=sequences, enrollments=enrollments, members=members), tuple(notes)


def read_manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise FactsUnreadable(f"there is no snapshot in {folder}", help="`engine snapshot --anonymise --out DIR` makes one") from None
    if not isinstance(manifest, dict) or manifest.get("format") != 1:
        raise FactsUnreadable(f"the snapshot in {folder} is of another version", help="make it again with this engine")
    return manifest


def personal_field(definitions: Definitions, sequence: str) -> str | None:
    """A field that the sequence tests and that has a token in place of its value on an anonymised snapshot; None where all is as it was."""
    crm = definitions.crm
    asked = tested(definitions, definitions.sequences[sequence])
    contact = crm.contact
    flags = [field for field in (contact.language, contact.active, contact.unsubscribed, contact.timezone, *contact.consent.values()) if field is not None]
    for entity, fields in sorted({**asked, contact.entity: asked.get(contact.entity, frozenset()) | frozenset(flags)}.items()):
        for field in sorted(fields):
            if crm.entities[entity].fields[field].pii:
                return f"{entity}.{field}"
    # Keys and what leads to records are tokens too: they join, and say nothing else.
    keys = {entity.key for entity in crm.entities.values()} | {
        relation.via.rpartition(".")[2] for entity in crm.entities.values() for relation in entity.relations.values()
    }
    for rule in _rules(definitions, sequence):
        for part in walk(rule):
            if isinstance(part, Compare) and part.path[-1] in keys:
                return part.dotted
            if isinstance(part, History):
                # Only the sends of sequences that are judged are there, and nothing of what came back.
                return part.kind
    return None


def _rules(definitions: Definitions, sequence: str) -> list[Rule]:
    """Every rule that the sequence stands on, also behind its segments."""
    found = list(rules_of(definitions.sequences[sequence]))
    seen: set[str] = set()
    pending = [
        *segments_in(definitions.sequences[sequence]),
        *(file.segment for file in definitions.enrollments.values() if file.sequence == sequence and file.segment),
    ]
    while pending:
        id = pending.pop()
        if id not in seen and id in definitions.segments:
            seen.add(id)
            found += rules_of(definitions.segments[id])
            pending += segments_in(definitions.segments[id])
    return found

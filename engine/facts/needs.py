"""Which fields the definitions name: only their columns are read from the CRM."""

from __future__ import annotations

import re
from collections import defaultdict

from engine.definitions.crm import Crm
from engine.definitions.definitions import Definitions
from engine.definitions.paths import Path, PathError, Scope, paths_to, resolve
from engine.definitions.rules import All, AnyOf, Compare, Not, Related, Rule
from engine.definitions.sequences import Audience, Sequence
from engine.definitions.triggers import DateTrigger, EventTrigger
from engine.definitions.types import TemplateType, Variable
from engine.definitions.using import segments_in
from engine.facts.snapshot import Needs

_NAMES_IN_TEXT = re.compile(r"\{\s*([a-z][a-z0-9_.]*)\s*\}")
_PATH = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*")


def needed(definitions: Definitions) -> Needs:
    """The fields that rules, triggers, audiences, variables and the contact map name, and the keys of relations on the way."""
    found = _Found(definitions.crm)
    found.contact_map()
    for sequence in definitions.sequences.values():
        _of_sequence(found, sequence)
    for segment in definitions.segments.values():
        found.entity(segment.entity)
        if segment.rules is not None:
            found.rule(segment.rules, (Scope(segment.entity), Scope(segment.entity, bare=True)))
    abouts = {sequence.about for sequence in definitions.sequences.values()}
    for template_type in definitions.types.values():
        _of_type(found, template_type, abouts)
    guards = definitions.project.guards
    for entity in guards.min_facts or {}:
        found.entity(entity)
    return {entity: frozenset(fields) for entity, fields in found.fields.items()}


def tested(definitions: Definitions, sequence: Sequence) -> Needs:
    """The fields that decide about a sequence: its rules, trigger and audience, and the rules of the segments behind them. Variables decide nothing."""
    found = _Found(definitions.crm)
    _of_sequence(found, sequence)
    seen: set[str] = set()
    pending = [
        *segments_in(sequence),
        *(file.segment for file in definitions.enrollments.values() if file.sequence == sequence.id and file.segment is not None),
    ]
    while pending:
        id = pending.pop()
        segment = definitions.segments.get(id)
        if segment is not None and id not in seen:
            seen.add(id)
            pending += segments_in(segment)
            found.rule(segment.rules, (Scope(segment.entity), Scope(segment.entity, bare=True)))
    return {entity: frozenset(fields) for entity, fields in found.fields.items()}


def everything(definitions: Definitions) -> Needs:
    """Every declared field of every entity."""
    return {name: frozenset(entity.fields) for name, entity in definitions.crm.entities.items()}


def together(*needs: Needs) -> Needs:
    """What any of them needs: for two revisions of the definitions over one snapshot."""
    found: dict[str, frozenset[str]] = {}
    for one in needs:
        for entity, fields in one.items():
            found[entity] = found.get(entity, frozenset()) | fields
    return found


def _of_sequence(found: _Found, sequence: Sequence) -> None:
    found.entity(sequence.about)
    scopes = (Scope(sequence.about, contact=True),)
    trigger = sequence.trigger
    if isinstance(trigger, DateTrigger):
        found.path(trigger.date, scopes)
        found.rule(trigger.where, scopes)
    elif isinstance(trigger, EventTrigger):
        event = found.crm.events.get(trigger.event)
        if event is not None and event.at is not None:
            found.field(event.entity, event.at)
        found.rule(trigger.where, scopes)
    for rule in (sequence.goal, sequence.exit_when):
        found.rule(rule, scopes)
    for step in sequence.steps:
        found.rule(step.if_, scopes)
        for choice in step.choices:
            found.rule(choice.if_, scopes)
    if sequence.audience is not None or sequence.about != found.crm.contact.entity:
        _of_audience(found, sequence.about, sequence.audience or Audience())


def _of_audience(found: _Found, about: str, audience: Audience) -> None:
    contact = found.crm.contact.entity
    inside = (Scope(contact, bare=True), Scope(about, contact=True), Scope(contact, contact=True))
    if audience.from_ is not None:
        found.path(audience.from_, (Scope(about, contact=True), Scope(about, bare=True)))
    elif about in found.crm.entities:
        for way in paths_to(found.crm, about, contact):
            found.path(".".join(way), (Scope(about, bare=True),))
    found.rule(audience.where, inside)
    for group in audience.first_of or ():
        if not isinstance(group, str):
            found.rule(group, inside)
    if audience.order_by is not None:
        found.path(audience.order_by, inside)


def _of_type(found: _Found, template_type: TemplateType, abouts: set[str]) -> None:
    starts = {template_type.about} if template_type.about else abouts
    scopes = tuple(Scope(about, contact=True) for about in sorted(starts)) or (Scope(None, contact=True),)
    for variable in template_type.variables.values():
        _of_variable(found, variable, scopes)


def _of_variable(found: _Found, variable: Variable, scopes: tuple[Scope, ...]) -> None:
    if variable.function == "text":
        for name in _NAMES_IN_TEXT.findall(variable.path):
            found.path(name, scopes)
        return
    ends = found.path(variable.path, scopes)
    if variable.currency is not None and _PATH.fullmatch(variable.currency):
        found.path(variable.currency, scopes)
    inside = tuple(Scope(path.end, bare=True) for path in ends)
    found.rule(variable.where, inside)
    for name in variable.fields or ():
        found.path(name, inside)


class _Found:
    """Fields by entity, as they are met. A path that leads nowhere is checking's to tell and adds nothing here."""

    def __init__(self, crm: Crm) -> None:
        self.crm = crm
        self.fields: dict[str, set[str]] = defaultdict(set)

    def entity(self, name: str) -> None:
        if name in self.crm.entities:
            self.fields[name].update()

    def field(self, entity: str, name: str) -> None:
        if entity in self.crm.entities and name in self.crm.entities[entity].fields:
            self.fields[entity].add(name)

    def contact_map(self) -> None:
        contact = self.crm.contact
        self.entity(contact.entity)
        named = (contact.address, contact.name, contact.language, contact.active, contact.unsubscribed, contact.timezone, *contact.consent.values())
        for name in named:
            if name is not None:
                self.field(contact.entity, name)

    def path(self, dotted: str, scopes: tuple[Scope, ...]) -> list[Path]:
        """Every meaning of the path in the scopes; a column too many costs little, one too few is a wrong plan."""
        ends = []
        for scope in scopes:
            if scope.record is not None and scope.record not in self.crm.entities:
                continue
            try:
                path = resolve(self.crm, scope, tuple(dotted.split(".")))
            except PathError:
                continue
            self._along(path)
            ends.append(path)
        return ends

    def _along(self, path: Path) -> None:
        self.entity(path.entity)
        for hop in path.hops:
            if hop.many:
                self.field(hop.relation.entity, hop.relation.via.rpartition(".")[2])
            else:
                self.field(hop.entity, hop.relation.via)
            self.entity(hop.relation.entity)
        if path.field_name is not None:
            self.field(path.end, path.field_name)

    def rule(self, rule: Rule | None, scopes: tuple[Scope, ...]) -> None:
        if isinstance(rule, Compare):
            self.path(rule.dotted, scopes)
        elif isinstance(rule, All | AnyOf):
            for child in rule.rules:
                self.rule(child, scopes)
        elif isinstance(rule, Not):
            self.rule(rule.rule, scopes)
        elif isinstance(rule, Related):
            ends = self.path(".".join(rule.path), scopes)
            self.rule(rule.where, tuple(Scope(path.end, bare=True) for path in ends))

"""What must hold between the files: one entry per check. A check looks at the draft and says what is wrong; adding one touches nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from engine.definitions.checking_crm import contact_map, entities
from engine.definitions.checking_project import addresses, environments, jobs, locales
from engine.definitions.checking_segments import cycles, enrollments, segments
from engine.definitions.checking_sequences import audiences, conditions, sequences
from engine.definitions.checking_steps import order_of_steps, step_times, steps, templates_of_steps
from engine.definitions.checking_templates import marketing, templates
from engine.definitions.checking_times import calendars, times
from engine.definitions.checking_triggers import events, triggers
from engine.definitions.checking_types import types, variables
from engine.definitions.draft import Draft
from engine.problems import Problem

Check = Callable[[Draft], Iterator[Problem]]

CHECKS: tuple[Check, ...] = (
    locales, addresses, environments, jobs, calendars,
    entities, contact_map, events,
    types, variables, templates, marketing,
    segments, cycles, enrollments,
    sequences, triggers, audiences, conditions, steps, step_times, times, order_of_steps, templates_of_steps,
)  # fmt: skip

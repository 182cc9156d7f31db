"""`--select` and `--job`: which sequences a command is about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING, Any, TypeVar

import click

from engine.errors import WrongUsage

if TYPE_CHECKING:
    from engine.definitions.definitions import Definitions

Wrapped = TypeVar("Wrapped", bound=Callable[..., Any])


@dataclass(frozen=True)
class Chosen:
    """`sequences` None is all of them. `words` is what was said, to be said again in the next command."""

    sequences: frozenset[str] | None = None
    select: str | None = None
    job: str | None = None

    @property
    def words(self) -> str:
        return f" --job {quote(self.job)}" if self.job else f" --select {quote(self.select)}" if self.select else ""


def select_option(function: Wrapped) -> Wrapped:
    """`--select`: union, intersection and dependents of definitions."""
    return click.option("--select", metavar="WORDS", help='Only these sequences: "sequence:welcome tag:renewal,status:active template:renewal-*+".')(function)


def job_option(function: Wrapped) -> Wrapped:
    """`--job`: what a job of engine.yaml selects."""
    return click.option("--job", metavar="NAME", help="Only what this job of engine.yaml selects.")(function)


def chosen(definitions: Definitions, select: str | None, job: str | None = None) -> Chosen:
    """What was asked for. WrongUsage for both at once, a job that is not there, and a selection without a sequence."""
    if select is not None and job is not None:
        raise WrongUsage("--job and --select are two selections", help=f"a job has its own: change `jobs: {job}:` in engine.yaml, or leave one of the two out")
    from engine.definitions.selecting import select_sequences

    if job is not None:
        from engine.definitions.translating import did_you_mean

        jobs = definitions.project.jobs
        if job not in jobs:
            help = did_you_mean(job, jobs, "the jobs are") or 'write it in engine.yaml: jobs: {reminders: {cron: "0 9 * * *", select: "tag:renewal"}}'
            raise WrongUsage(f"there is no job `{job}`", help=help)
        said = jobs[job].select
        return Chosen(select_sequences(definitions, said).sequences if said else None, said, job)
    if select is None:
        return Chosen()
    return Chosen(select_sequences(definitions, select).sequences, select)

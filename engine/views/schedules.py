"""The jobs of engine.yaml as the files of schedulers, each honest about whose time it keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from shlex import quote

from engine.clock import to_local
from engine.definitions.cron import Cron
from engine.definitions.cron_utc import in_utc, next_change, of_crontab, offset_at, plain
from engine.definitions.environments import VARIABLE, variables_of
from engine.definitions.project import DuckdbLedger, Job, Project
from engine.errors import WrongUsage

_WEEKDAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")


# Where a scheduler's secrets lie on a machine of one's own; nothing secret is ever in a file that this makes.
_SECRETS = "/etc/engine.env"


@dataclass(frozen=True)
class Schedule:
    """What is exported: the jobs, the project's zone, and the command that runs one. `now` (naive UTC) says which offset holds.

    `environment` is what `--env` said, `chosen` the environment that it is for either way. `variables` are those that it needs,
    `defaulted` those that have a default in engine.yaml; `in_a_file` is the path of a ledger that is no server's.
    """

    project: str
    zone: str
    jobs: Mapping[str, Job]
    root: str
    environment: str | None
    now: datetime
    chosen: str = ""
    variables: tuple[str, ...] = ()
    defaulted: tuple[str, ...] = ()
    in_a_file: str = ""

    @classmethod
    def of(cls, project: Project, root: str, environment: str | None, now: datetime) -> Schedule:
        """For one environment of engine.yaml; the first where none was said. WrongUsage for one that it has not."""
        chosen = environment or next(iter(project.environments))
        setting = project.environments.get(chosen)
        if setting is None:
            raise WrongUsage(f"there is no environment `{chosen}`", help=f"engine.yaml has {', '.join(project.environments)}")
        needed = variables_of(setting)
        named = {found[1] for found in VARIABLE.finditer(setting.model_dump_json())}
        in_a_file = str(setting.ledger.duckdb) if isinstance(setting.ledger, DuckdbLedger) else ""
        return cls(
            project.name, project.timezone, project.jobs, root, environment, now, chosen, tuple(sorted(needed)), tuple(sorted(named - needed)), in_a_file
        )

    @property
    def words(self) -> tuple[str, ...]:
        """`engine`, with the environment where one was said."""
        return ("engine", "--env", self.environment) if self.environment else ("engine",)

    def command(self, job: str) -> str:
        env = f" --env {quote(self.environment)}" if self.environment else ""
        return f"engine -C {quote(self.root)}{env} apply --job {job}"


def _head(schedule: Schedule, target: str) -> Iterator[str]:
    yield f"# Made by `engine schedule export --for {target}` from `jobs:` of engine.yaml. Export it again when they change."
    if not schedule.environment and schedule.chosen:
        yield f"# No `--env` was said, so it is for `{schedule.chosen}`, the first environment of engine.yaml; `engine --env NAME schedule export` is for another."


def _needs(schedule: Schedule) -> Iterator[str]:
    """Which variables engine.yaml names for the environment."""
    if schedule.variables:
        yield f"# engine.yaml needs {', '.join(schedule.variables)} from the environment."
    if schedule.defaulted:
        yield f"# With a default in engine.yaml, so only where it is to be another: {', '.join(schedule.defaulted)}."


def _forgets(schedule: Schedule, who: str) -> str:
    return f"{who} forgets its files: " + (
        f"the ledger of `{schedule.chosen}` is the file {schedule.in_a_file}, and must be on Postgres first"
        if schedule.in_a_file
        else "the ledger belongs on Postgres"
    )


def as_cron(schedule: Schedule) -> str:
    """A crontab. Not every cron knows CRON_TZ, and who does not reads it as a plain variable."""
    lines = [
        *_head(schedule, "cron"),
        f"# The times are those of {schedule.zone}. cronie (Red Hat, Fedora, Arch, SUSE) reads CRON_TZ. The cron of Debian, Ubuntu, Alpine and macOS does",
        f"# not: it keeps the machine's own time without a word. There set the machine to {schedule.zone}, or use `--for systemd`.",
        f"CRON_TZ={schedule.zone}",
        "# cron knows neither your PATH nor your variables. Where the engine is in a virtual environment, name its folder:",
        "# PATH=/path/to/venv/bin:/usr/local/bin:/usr/bin:/bin",
        *_needs(schedule),
    ]
    if schedule.variables:
        lines.append(f"# Write them into {_SECRETS}, which only this user may read (chmod 600), one NAME='value' a line; never into the crontab.")
    secrets = f"set -a; . {_SECRETS}; " if schedule.variables else ""
    for name, job in schedule.jobs.items():
        lines.append(f"{of_crontab(job.times)}  {secrets}{schedule.command(name)}".replace("%", r"\%"))
    return "\n".join(lines) + "\n"


def as_systemd(schedule: Schedule) -> str:
    """A service and a timer for each job. OnCalendar names the zone, so clock changes are the machine's care."""
    lines = [*_head(schedule, "systemd")]
    lines += [f"# The times are those of {schedule.zone}, whatever the machine's zone is. A run that was missed while it was off is made up for (Persistent).",
              "# Put each part into its file below /etc/systemd/system, then: systemctl daemon-reload && systemctl enable --now " + " ".join(f"engine-{name}.timer" for name in schedule.jobs),
              "# The services run as root where no `User=` is said. Where the engine is in a virtual environment, name its folder in `Environment=PATH=`.",
              *_needs(schedule)]  # fmt: skip
    if schedule.variables:
        lines.append(
            f"# Write them into {_SECRETS}, which only the service's user may read (chmod 600), one NAME='value' a line; without it the service does not start."
        )
    secrets = [f"EnvironmentFile={_SECRETS}"] if schedule.variables else []
    for name, job in schedule.jobs.items():
        lines += [
            "", f"# engine-{name}.service", "[Unit]", f"Description={schedule.project}: the job {name}", "", "[Service]", "Type=oneshot",
            "# Environment=PATH=/path/to/venv/bin:/usr/local/bin:/usr/bin:/bin", *secrets,
            f"ExecStart=/usr/bin/env {schedule.command(name)}".replace("%", "%%"),
            "", f"# engine-{name}.timer", "[Unit]", f"Description={schedule.project}: when the job {name} runs", "", "[Timer]",
            *(f"OnCalendar={when} {schedule.zone}" for when in calendar(job.times)), "Persistent=true", "", "[Install]", "WantedBy=timers.target",
        ]  # fmt: skip
    return "\n".join(lines) + "\n"


def calendar(cron: Cron) -> list[str]:
    """A cron as calendar events. In one event days of month and of week must both match; in a cron either does, so there are two."""
    minute, hour, day, month, weekday = cron.fields
    time = f"{_listed(hour)}:{_listed(minute)}:00"
    events = [(day, None), (None, weekday)] if day is not None and weekday is not None else [(day, weekday)]
    found = []
    for days, weekdays in events:
        week = "" if weekdays is None else ",".join(_WEEKDAYS[one] for one in sorted(weekdays, key=lambda one: (one - 1) % 7)) + " "
        found.append(f"{week}*-{_listed(month)}-{_listed(days)} {time}")
    return found


def _listed(values: frozenset[int] | None) -> str:
    return "*" if values is None else ",".join(f"{value:02d}" for value in sorted(values))


def as_kubernetes(schedule: Schedule) -> str:
    """A CronJob for each job, with `timeZone` (Kubernetes 1.27 and later)."""
    lines = [
        *_head(schedule, "kubernetes"),
        f"# `timeZone` needs Kubernetes 1.27; an older one refuses or ignores it and keeps the controller's time, mostly UTC. Times: {schedule.zone}.",
        "# Put in your image. Its working directory (WORKDIR in its Dockerfile, or `workingDir:` here) is the project, the folder of engine.yaml.",
        *_needs(schedule),
        f"# The Secret `engine` has {'them' if schedule.variables else 'what the environment needs'}, and ENGINE_PSEUDONYM_KEY: the key in state/pseudonym.key of the project.",
    ]
    if schedule.in_a_file:
        lines.append(f"# The ledger of `{schedule.chosen}` is the file {schedule.in_a_file}: its folder must be a volume that lasts.")
    for name, job in schedule.jobs.items():
        command = ", ".join(f'"{word}"' for word in (*schedule.words, "apply", "--job", name))
        lines += [
            "---", "apiVersion: batch/v1", "kind: CronJob", f"metadata: {{name: engine-{name}}}", "spec:", f'  schedule: "{plain(job.times)}"',
            f"  timeZone: {schedule.zone}", "  concurrencyPolicy: Forbid", "  startingDeadlineSeconds: 3600", "  jobTemplate:", "    spec:",
            "      backoffLimit: 0", "      template:", "        spec:", "          restartPolicy: Never", "          containers:", "            - name: engine",
            "              image: IMAGE", f"              command: [{command}]", "              envFrom: [{secretRef: {name: engine}}]",
        ]  # fmt: skip
    return "\n".join(lines) + "\n"


def as_github(schedule: Schedule) -> str:
    """A workflow. GitHub's cron is UTC, and may come late by many minutes."""
    crons = {name: [one.text for one in in_utc(job.times, offset_at(schedule.now, schedule.zone))] for name, job in schedule.jobs.items()}
    secrets = (*schedule.variables, "ENGINE_PSEUDONYM_KEY")
    lines = [*_head(schedule, "github"), *_utc_note(schedule, "GitHub's"), "# GitHub starts a schedule late when it is busy, and stops it after 60 days without a commit.",
             *_needs(schedule), "# The repository's secrets have them, and ENGINE_PSEUDONYM_KEY: the key in state/pseudonym.key of the project.",
             f"name: {schedule.project} mail", "on:", "  workflow_dispatch:",
             "    inputs: {job: {description: The job to run, type: choice, required: true, options: [" + ", ".join(crons) + "]}}", "  schedule:"]  # fmt: skip
    for name, times in crons.items():
        lines += [f'    - cron: "{text}"   # {name}: `{schedule.jobs[name].cron}` in {schedule.zone}' for text in times]
    lines += ["# One run of each job at a time, and none is cut off; of several that wait GitHub keeps the latest, which does what the others would have.",
              "# A job that meets another one at the ledger (exit 5) tries again for a quarter of an hour."]  # fmt: skip
    lines += [*_at_once(crons), "jobs:"]
    for name, times in crons.items():
        asked = " || ".join([f"inputs.job == '{name}'", *(f"github.event.schedule == '{text}'" for text in times)])
        env = f" --env {quote(schedule.environment)}" if schedule.environment else ""
        lines += [
            f"  {name}:", f"    if: {asked}", f"    concurrency: {{group: engine-{name}, cancel-in-progress: false}}", "    runs-on: ubuntu-latest", "    steps:", "      - uses: actions/checkout@v4",
            f"      # Install the engine here. {_forgets(schedule, 'A runner')}.", f"      - run: for wait in 1 2 4 8 0; do engine{env} apply --job {name} && exit; code=$?; test $code = 5 || exit $code; sleep ${{wait}}m; done; exit 5",
            "        env: {" + ", ".join(f'{variable}: "${{{{ secrets.{variable} }}}}"' for variable in secrets) + "}",
        ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _at_once(crons: Mapping[str, list[str]]) -> Iterator[str]:
    """Jobs of one run go side by side: those that share a time are two applies at once."""
    texts = [text for times in crons.values() for text in times]
    shared = sorted({text for text in texts if texts.count(text) > 1})
    if shared:
        names = [name for name, times in crons.items() if set(times) & set(shared)]
        yield f"# {' and '.join(names)} share a time: they start at once within that run, and one tries until the other has done. Other minutes are calmer."


def as_render(schedule: Schedule) -> str:
    """A blueprint for Render, whose cron jobs are UTC."""
    lines = [
        *_head(schedule, "render"),
        *_utc_note(schedule, "Render's"),
        f"# {_forgets(schedule, 'A cron job of Render')}.",
        *_needs(schedule),
        "# Render asks for the values of what says `sync: false`. ENGINE_PSEUDONYM_KEY is the key in state/pseudonym.key of the project.",
        "services:",
    ]
    for name, job in schedule.jobs.items():
        times = in_utc(job.times, offset_at(schedule.now, schedule.zone))
        env = f" --env {quote(schedule.environment)}" if schedule.environment else ""
        for number, one in enumerate(times, 1):
            lines += [
                "  - type: cron", f"    name: engine-{name}" + (f"-{number}" if len(times) > 1 else ""), "    runtime: python",
                f'    schedule: "{one.text}"   # `{job.cron}` in {schedule.zone}', "    buildCommand: pip install 'campaigns-as-code[postgres]'",
                f"    startCommand: engine{env} apply --job {name}", "    envVars:",
                *(f"      - {{key: {variable}, sync: false}}" for variable in (*schedule.variables, "ENGINE_PSEUDONYM_KEY")),
            ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _utc_note(schedule: Schedule, whose: str) -> Iterator[str]:
    """What UTC times mean for this zone: until when they are right, and which jobs come more often than they say."""
    zone = schedule.zone
    offset = offset_at(schedule.now, zone)
    yield f"# {whose} cron is UTC; {zone} is {_offset(offset.total_seconds())}. The times below are the jobs' times in UTC."
    change = next_change(schedule.now, zone)
    if change is None:
        yield f"# The clocks of {zone} do not change, so they stay right."
    else:
        after = offset_at(change, zone)
        yield f"# They are right until {to_local(change, zone):%Y-%m-%d}: then the clocks change to {_offset(after.total_seconds())}, and all of them come"
        yield f"# {abs((after - offset).total_seconds()) / 60:.0f} minutes {'later' if after > offset else 'earlier'} by the clock of {zone}. Export again on that day, and with each change of the clocks."
    more = [name for name, job in schedule.jobs.items() if any(one.more_days for one in in_utc(job.times, offset))]
    if more:
        yield f"# {', '.join(more)}: a day of the month begins on another day in UTC, so it also runs on days that it does not name. That does no harm:"
        yield "# an apply sends what is due, and nothing twice."


def _offset(seconds: float) -> str:
    hours, minutes = divmod(abs(int(seconds)) // 60, 60)
    return f"UTC{'-' if seconds < 0 else '+'}{hours}" + (f":{minutes:02d}" if minutes else "") if seconds else "UTC"


TARGETS: Mapping[str, Callable[[Schedule], str]] = {
    "cron": as_cron, "systemd": as_systemd, "github": as_github, "kubernetes": as_kubernetes, "render": as_render,
}  # fmt: skip

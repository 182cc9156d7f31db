"""The jobs of engine.yaml as the files of schedulers, each honest about whose time it keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from shlex import quote

from engine.clock import to_local
from engine.definitions.cron import Cron
from engine.definitions.cron_utc import in_utc, next_change, offset_at, plain
from engine.definitions.project import Job

_WEEKDAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")


@dataclass(frozen=True)
class Schedule:
    """What is exported: the jobs, the project's zone, and the command that runs one. `now` (naive UTC) says which offset holds."""

    project: str
    zone: str
    jobs: Mapping[str, Job]
    root: str
    environment: str | None
    now: datetime

    def command(self, job: str) -> str:
        env = f" --env {quote(self.environment)}" if self.environment else ""
        return f"engine -C {quote(self.root)}{env} apply --job {job}"


def _head(schedule: Schedule, target: str) -> Iterator[str]:
    yield f"# Made by `engine schedule export --for {target}` from `jobs:` of engine.yaml. Export it again when they change."


def as_cron(schedule: Schedule) -> str:
    """A crontab. Not every cron knows CRON_TZ, and who does not reads it as a plain variable."""
    lines = [
        *_head(schedule, "cron"),
        f"# The times are those of {schedule.zone}. cronie (Red Hat, Fedora, Arch, SUSE) reads CRON_TZ. The cron of Debian, Ubuntu, Alpine and macOS does",
        f"# not: it keeps the machine's own time without a word. There set the machine to {schedule.zone}, or use `--for systemd`.",
        f"CRON_TZ={schedule.zone}",
    ]
    for name, job in schedule.jobs.items():
        lines.append(f"{job.times.text}  {schedule.command(name)}".replace("%", r"\%"))
    return "\n".join(lines) + "\n"


def as_systemd(schedule: Schedule) -> str:
    """A service and a timer for each job. OnCalendar names the zone, so clock changes are the machine's care."""
    lines = [*_head(schedule, "systemd")]
    lines += [f"# The times are those of {schedule.zone}, whatever the machine's zone is. A run that was missed while it was off is made up for (Persistent).",
              "# Put each part into its file below /etc/systemd/system, then: systemctl daemon-reload && systemctl enable --now " + " ".join(f"engine-{name}.timer" for name in schedule.jobs)]  # fmt: skip
    for name, job in schedule.jobs.items():
        lines += [
            "", f"# engine-{name}.service", "[Unit]", f"Description={schedule.project}: the job {name}", "", "[Service]", "Type=oneshot",
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
        "# Put in your image and where the secrets come from. The folder of an embedded ledger must be a volume that lasts.",
    ]
    for name, job in schedule.jobs.items():
        env = f'"--env", "{schedule.environment}", ' if schedule.environment else ""
        lines += [
            "---", "apiVersion: batch/v1", "kind: CronJob", f"metadata: {{name: engine-{name}}}", "spec:", f'  schedule: "{plain(job.times)}"',
            f"  timeZone: {schedule.zone}", "  concurrencyPolicy: Forbid", "  startingDeadlineSeconds: 3600", "  jobTemplate:", "    spec:",
            "      backoffLimit: 0", "      template:", "        spec:", "          restartPolicy: Never", "          containers:", "            - name: engine",
            "              image: IMAGE", f'              command: ["engine", "-C", "{schedule.root}", {env}"apply", "--job", "{name}"]',
        ]  # fmt: skip
    return "\n".join(lines) + "\n"


def as_github(schedule: Schedule) -> str:
    """A workflow. GitHub's cron is UTC, and may come late by many minutes."""
    crons = {name: [one.text for one in in_utc(job.times, offset_at(schedule.now, schedule.zone))] for name, job in schedule.jobs.items()}
    lines = [*_head(schedule, "github"), *_utc_note(schedule, "GitHub's"), "# GitHub starts a schedule late when it is busy, and stops it after 60 days without a commit.",
             f"name: {schedule.project} mail", "on:", "  workflow_dispatch:", "  schedule:"]  # fmt: skip
    for name, times in crons.items():
        lines += [f'    - cron: "{text}"   # {name}: `{schedule.jobs[name].cron}` in {schedule.zone}' for text in times]
    lines += ["concurrency: {group: engine, cancel-in-progress: false}   # one run at a time, and none is cut off", "jobs:"]
    for name, times in crons.items():
        asked = " || ".join(["github.event_name == 'workflow_dispatch'", *(f"github.event.schedule == '{text}'" for text in times)])
        env = f" --env {quote(schedule.environment)}" if schedule.environment else ""
        lines += [
            f"  {name}:", f"    if: {asked}", "    runs-on: ubuntu-latest", "    steps:", "      - uses: actions/checkout@v4",
            "      # Install the engine here. A runner forgets its files: the ledger belongs on Postgres.", f"      - run: engine{env} apply --job {name}",
            "        env: {CRM_URL: \"${{ secrets.CRM_URL }}\", LEDGER_URL: \"${{ secrets.LEDGER_URL }}\", SMTP_PASSWORD: \"${{ secrets.SMTP_PASSWORD }}\"}",
        ]  # fmt: skip
    return "\n".join(lines) + "\n"


def as_render(schedule: Schedule) -> str:
    """A blueprint for Render, whose cron jobs are UTC."""
    lines = [
        *_head(schedule, "render"),
        *_utc_note(schedule, "Render's"),
        "# A cron job of Render forgets its files: the ledger belongs on Postgres.",
        "services:",
    ]
    for name, job in schedule.jobs.items():
        times = in_utc(job.times, offset_at(schedule.now, schedule.zone))
        env = f" --env {quote(schedule.environment)}" if schedule.environment else ""
        for number, one in enumerate(times, 1):
            lines += [
                "  - type: cron", f"    name: engine-{name}" + (f"-{number}" if len(times) > 1 else ""), "    runtime: python",
                f'    schedule: "{one.text}"   # `{job.cron}` in {schedule.zone}', "    buildCommand: pip install campaigns-as-code",
                f"    startCommand: engine{env} apply --job {name}",
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

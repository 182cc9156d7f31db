"""What may happen to a world between two applies. At most one edit of the definitions at a time (8.7)."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zlib import crc32

from .timeline import (
    Apply,
    Cancel,
    ChangeFacts,
    EditDefinitions,
    Enroll,
    Operation,
    Pause,
    Respond,
    Resume,
    Start,
    Stop,
    Suppress,
    Tell,
)

if TYPE_CHECKING:
    from .worlds import Builder

Raw = dict[str, Any]
Rows = dict[str, list[Raw]]


class Editor:
    """Keeps the project and the facts as they are by now, and draws what happens next."""

    def __init__(
        self, builder: Builder, project: Raw, facts: Rows, pools: dict[str, list[Raw]]
    ) -> None:
        self.b, self.project, self.facts, self.pools = builder, project, facts, pools
        self.stopped = self.paused = False

    def operations(self, now: datetime, first: bool) -> list[Operation]:
        """What happens at one instant; the apply comes last."""
        found: list[Operation] = []
        if not first:
            found += [
                self.change_facts() for _ in range(self.b.pick([0, 0, 1, 1, 2, 3]))
            ]
        if not first and self.b.chance(40):
            edit = self.edit()
            if edit is not None:
                found.append(edit)
        found += self.enrolling()
        found += self.telling(now)
        # A stop or a pause of everything lasts one apply, else little happens in a world.
        if not first and (self.stopped or self.paused or self.b.rarely(28)):
            found.append(self.control())
        if self.b.chance(15):
            found.append(self.suppress())
        if not first and self.b.remembering and self.b.chance(50):
            contact = str(self.b.number(1, 4))
            found.append(Respond(contact, self.b.pick(["opened", "clicked"])))
        found.append(self.apply())
        return found

    def apply(self) -> Apply:
        if not self.b.chance(15):
            return Apply()
        address = self.b.pick(
            ["shared@example.com", "c1@example.com", "c2@example.com"]
        )
        return Apply(((address, self.b.pick(["failed", "unknown"])),))

    def suppress(self) -> Suppress:
        address = self.b.pick(
            [
                "shared@example.com",
                "C1@example.com ",
                "c2@example.com",
                "c3@example.com",
            ]
        )
        reason = self.b.pick(["bounce", "complaint", "unsubscribed"])
        topic = (
            self.b.pick(["product-news", None]) if reason == "unsubscribed" else None
        )
        return Suppress(address, reason, topic)

    def enrolling(self) -> list[Operation]:
        """By command; also a second time, and into a sequence that is paused or a draft."""
        found: list[Operation] = []
        for name, raw in self.project["sequences"].items():
            if (
                raw["trigger"] != "manual"
                or raw["status"] == "archived"
                or not self.b.chance(45)
            ):
                continue
            if self.facts[raw["about"]]:
                record = self.b.pick(self.facts[raw["about"]])
                found.append(Enroll(name, raw["about"], str(record["id"])))
        return found

    def telling(self, now: datetime) -> list[Operation]:
        """Events of the inbox: of the past, of now, ahead; also twice under one id, and of a record that is not there."""
        found: list[Operation] = []
        for event, about in (("visited", "contact"), ("called", "contract")):
            if not any(
                event in raw["trigger"].values()
                for raw in self.project["sequences"].values()
                if isinstance(raw["trigger"], dict)
            ):
                continue
            for _ in range(self.b.pick([0, 1, 1, 2])):
                at = now + self.b.pick(
                    [timedelta(hours=hours) for hours in (-49, -3, 0, 0, 0, 20)]
                )
                record = str(self.b.pick([1, 1, 2, 2, 3, 4, 99]))
                id = f"e-{self.b.number(1, 9)}"
                found.append(Tell(event, about, record, id, at))
        return found

    def control(self) -> Operation:
        name = self.b.pick(sorted(self.project["sequences"]))
        contact = str(self.b.number(1, 4))
        if self.stopped:
            self.stopped = False
            return Start()
        if self.paused:
            self.paused = False
            return Resume()
        kind = self.b.pick(
            ["pause"] * 4
            + [
                "resume",
                "cancel",
                "cancel",
                "cancel",
                "sequence",
                "project",
                "stop",
                "stop one",
            ]
        )
        if kind == "stop":
            self.stopped = True
            return Stop()
        if kind == "project":
            self.paused = True
            return Pause()
        operations: dict[str, Operation] = {
            "pause": Pause(name, contact),
            "resume": Resume(name, self.b.pick([contact, None])),
            "cancel": Cancel(name, contact),
            "sequence": Pause(name),
            "stop one": self.b.pick([Stop(name), Start(name)]),
        }
        return operations[kind]

    # The CRM.

    def change_facts(self) -> ChangeFacts:
        self.facts = copy.deepcopy(self.facts)
        entity = self.b.pick(
            ["contract", "contract", "contract", "contact", "contact", "invoice"]
        )
        rows = self.facts[entity]
        kind = self.b.pick(
            ["change"] * 7
            + ["delete", "insert"]
            + (["clear"] if self.b.chance(20) else [])
        )
        if kind == "clear":
            rows.clear()
        elif kind == "delete" and rows:
            rows.pop(self.b.number(0, len(rows) - 1))
        elif kind == "insert" or not rows:
            rows.append(
                self.fresh(entity, 1 + max((row["id"] for row in rows), default=20))
            )
        else:
            row = self.b.pick(rows)
            self.change(entity, row)
            return ChangeFacts(f"{entity} {row['id']} is {row}", self.facts)
        return ChangeFacts(f"{kind} {entity}", self.facts)

    def fresh(self, entity: str, key: int) -> Raw:
        companies = max(1, len(self.facts["company"]))
        builders: dict[str, Callable[[int, int], Raw]] = {
            "contact": self.b.contact,
            "contract": self.b.contract,
            "invoice": self.b.invoice,
        }
        return builders[entity](key, companies)

    def change(self, entity: str, row: Raw) -> None:
        """Mostly the value that a trigger looks at, or what decides whether somebody can be mailed."""
        date_field = {
            "contract": "end_date",
            "contact": "trial_end",
            "invoice": "due_date",
        }[entity]
        if self.b.chance(60):
            old = row[date_field]
            move = timedelta(days=self.b.pick([-2, -1, 1, 2, 3, 5]))
            near = old is not None and 1990 < old.year < 2100
            other = self.b.day(f"{entity}.{date_field}")
            row[date_field] = old + move if near and self.b.chance(80) else other
            return
        fresh = self.fresh(entity, row["id"])
        fields = {
            "contract": [
                "status",
                "status",
                "signed_at",
                "monthly_value",
                "company_id",
            ],
            "contact": [
                "is_active",
                "unsubscribed",
                "email",
                "contact_type",
                "name",
                "company_id",
                "wants_offers",
            ],
            "invoice": ["status", "company_id"],
        }[entity]
        field = self.b.pick(fields)
        row[field] = fresh[field]

    # The definitions.

    def edit(self) -> EditDefinitions | None:
        project = copy.deepcopy(self.project)
        name = self.b.pick(sorted(project["sequences"]))
        if project["sequences"][name]["status"] != "active" and self.b.chance(60):
            self.project = project
            return EditDefinitions(
                f"{name}: {self.change_status(project, name)}", project
            )
        edits = [
            self.drop_step,
            self.add_step,
            self.add_step,
            self.reorder,
            self.toggle_step,
            self.toggle_template,
            self.change_status,
            self.change_file,
            self.change_backfill,
            self.change_segment,
            self.change_where,
            self.change_where,
            self.change_trigger,
            self.change_audience,
            self.change_time,
            self.change_time,
            self.rename_step,
            self.rename_sequence,
            self.change_timezone,
        ]
        note = self.b.pick(edits)(project, name)
        if note is None:
            return None
        self.project = project
        return EditDefinitions(f"{name}: {note}", project)

    def change_where(self, project: Raw, name: str) -> str | None:
        """8.8"""
        raw = project["sequences"][name]
        if not isinstance(raw["trigger"], dict) or "date" not in raw["trigger"]:
            return None
        about = raw["about"]
        if about not in ("contract", "invoice"):
            return None
        others: list[Any] = [None, "active", "sent", ["active", "sent", "Active"]]
        said = self.b.pick(others)
        raw["trigger"].pop("where", None)
        if said is not None:
            raw["trigger"]["where"] = {f"{about}.status": said}
        return f"where {said}"

    def change_trigger(self, project: Raw, name: str) -> str | None:
        """8.8 A date comes round from now on, or otherwise, or no more; another segment, or another way to take it."""
        raw = project["sequences"][name]
        trigger = raw["trigger"]
        if not isinstance(trigger, dict) or "event" in trigger:
            return None
        if "date" not in trigger:
            kind = self.b.pick(["enters", "schedule", "once"])
            raw["trigger"] = self.b.segment_trigger(kind)
            return f"trigger {raw['trigger']}"
        if trigger["date"].endswith("signed_at"):
            return None
        trigger.pop("every", None)
        period = self.b.pick([None, "1w", "10d", "1mo"])
        if period is not None:
            trigger["every"] = period
        return f"every {period}"

    def change_timezone(self, project: Raw, name: str) -> str | None:
        """8.12"""
        zones = ["Asia/Bangkok", "Europe/Berlin", "America/New_York"]
        zone = self.b.pick([one for one in zones if one != project["engine"]["timezone"]])
        project["engine"]["timezone"] = zone
        return f"timezone {zone}"

    def change_audience(self, project: Raw, name: str) -> str | None:
        """8.9"""
        raw = project["sequences"][name]
        if raw["about"] == "contact":
            return None
        audience = raw.setdefault("audience", {})
        if self.b.chance(50) and "where" in audience:
            del audience["where"]
        else:
            kind = self.b.pick(["primary", "billing", "technical"])
            audience["where"] = {"contact_type": {"not_equals": kind}}
        # 4.8: by what it says, so that no other draw moves.
        if crc32(repr(raw).encode()) % 3 == 0 and raw.pop("combine", None) is None:
            raw["combine"] = "contact"
        return f"audience {audience}, combine {raw.get('combine')}"

    def change_time(self, project: Raw, name: str) -> str | None:
        """8.6: another wait, or another time of day; steps stay a day apart, so their order stays."""
        step = self.b.pick(project["sequences"][name]["steps"])
        word = next(w for w in ("before", "after", "wait") if w in step)
        if step[word].endswith(("h", "min")) or step[word] in ("0d", "0bd"):
            return None
        if word == "wait":
            step["wait"] = self.b.pick(["1d", "2d", "4d", "1w"])
        elif "at" in step and self.b.chance(50):
            del step["at"]
        else:
            step["at"] = self.b.pick(["00:30", "06:00", "09:00", "18:00"])
        return f"{step['id']} {step[word]} {step.get('at')}"

    def rename_step(self, project: Raw, name: str) -> str | None:
        """8.7"""
        step = self.b.pick(project["sequences"][name]["steps"])
        if "renamed_from" in step:
            return None
        old = step["id"]
        step["id"], step["renamed_from"] = f"{old}-new", old
        # A list of its own: the steps of the first project are the pool's.
        self.pools[name] = [
            {**known, "id": step["id"]} if known["id"] == old else known
            for known in self.pools[name]
        ]
        return f"{old} is {step['id']}"

    def rename_sequence(self, project: Raw, name: str) -> str | None:
        """8.7"""
        if "renamed_from" in project["sequences"][name]:
            return None
        new = f"{name}-new"
        raw = project["sequences"].pop(name)
        raw["id"], raw["renamed_from"] = new, name
        project["sequences"][new] = raw
        self.pools[new] = self.pools.pop(name)
        _say_otherwise(project, name, new)
        return f"is {new}"

    def drop_step(self, project: Raw, name: str) -> str | None:
        steps = project["sequences"][name]["steps"]
        if len(steps) < 2:
            return None
        return f"without {steps.pop(self.b.number(0, len(steps) - 1))['id']}"

    def add_step(self, project: Raw, name: str) -> str | None:
        """before/after: where its time puts it (5.1); wait: anywhere, but wait 0 only as the first."""
        raw = project["sequences"][name]
        here = {step["id"] for step in raw["steps"]}
        missing = [step for step in self.pools[name] if step["id"] not in here]
        if not missing:
            return None
        step = copy.deepcopy(self.b.pick(missing))
        if raw["trigger"] != "manual":
            order = [one["id"] for one in self.pools[name]]
            raw["steps"].append(step)
            raw["steps"].sort(key=lambda one: order.index(one["id"]))
        elif step["wait"] == "0d":
            raw["steps"].insert(0, step)
        else:
            first = 1 if raw["steps"][0]["wait"] == "0d" else 0
            raw["steps"].insert(self.b.number(first, len(raw["steps"])), step)
        return f"with {step['id']}"

    def reorder(self, project: Raw, name: str) -> str | None:
        raw = project["sequences"][name]
        if raw["trigger"] != "manual":
            return None
        head = [step for step in raw["steps"] if step["wait"] == "0d"]
        tail = [step for step in raw["steps"] if step["wait"] != "0d"]
        if len(tail) < 2:
            return None
        tail.append(tail.pop(0))
        raw["steps"] = head + tail
        return f"in the order {[step['id'] for step in raw['steps']]}"

    def toggle_step(self, project: Raw, name: str) -> str:
        step = self.b.pick(project["sequences"][name]["steps"])
        step["active"] = not step.get("active", True)
        return f"{step['id']} active: {step['active']}"

    def toggle_template(self, project: Raw, name: str) -> str:
        mine = sorted(
            template
            for template in project["templates"]
            if template.startswith(name.removesuffix("-new"))
        )
        template = project["templates"][self.b.pick(mine)]
        template["status"] = "inactive" if template["status"] == "active" else "active"
        return f"{template['id']} {template['status']}"

    def change_status(self, project: Raw, name: str) -> str:
        """Archived only where no enrollment file names the sequence."""
        raw = project["sequences"][name]
        named = any(
            file["sequence"] == name for file in project["enrollments"].values()
        )
        others = ["paused", "draft"] + ([] if named else ["archived"])
        raw["status"] = self.b.pick(others) if raw["status"] == "active" else "active"
        return f"status {raw['status']}"

    def change_file(self, project: Raw, name: str) -> str | None:
        mine = [
            file for file in project["enrollments"].values() if file["sequence"] == name
        ]
        if not mine:
            return None
        file = mine[0]
        if "segment" in file or (len(file["contacts"]) == 1 and self.b.chance(50)):
            if self.b.chance(50):
                return None
            del project["enrollments"][file["id"]]
            return f"without the file {file['id']}"
        others = [
            row["id"]
            for row in self.facts["contact"]
            if row["id"] not in file["contacts"]
        ]
        if others and (self.b.chance(50) or len(file["contacts"]) == 1):
            file["contacts"].append(self.b.pick(others))
        elif len(file["contacts"]) > 1:
            file["contacts"].pop(0)
        return f"{file['id']} names {file['contacts']}"

    def change_segment(self, project: Raw, name: str) -> str | None:
        """3.3 Who is put on a list enters; another rule records the members anew; a paused segment is frozen."""
        trigger = project["sequences"][name]["trigger"]
        if not isinstance(trigger, dict) or not ("enters" in trigger or "for" in trigger):
            return None
        static = project["segments"]["static"]
        kind = self.b.pick(["list", "list", "list", "rules", "status"])
        if kind == "list":
            other = self.b.number(1, 6)
            kept = [key for key in static["members"] if key != other]
            same = len(kept) == len(static["members"])
            static["members"] = [*kept, other] if same else kept or [7]
            return f"static names {static['members']}"
        if kind == "rules":
            rules = self.b.ruling.rule(["contact"], 1, ["static"])
            project["segments"]["outer"]["rules"] = rules
            return f"outer is {rules}"
        segment = project["segments"][self.b.pick(["static", "outer"])]
        segment["status"] = "active" if segment["status"] == "paused" else "paused"
        return f"{segment['id']} {segment['status']}"

    def change_backfill(self, project: Raw, name: str) -> str:
        raw = project["sequences"][name]
        if "backfill" in raw:
            del raw["backfill"]
        else:
            raw["backfill"] = self.b.pick(["3d", "30d", "all"])
        return f"backfill {raw.get('backfill')}"


def _say_otherwise(said: Any, old: str, new: str) -> None:
    """`sequence: old` wherever a rule or a file names it."""
    if isinstance(said, dict):
        for key, value in said.items():
            if key in ("sequence", "received", "enrolled") and value == old:
                said[key] = new
            else:
                _say_otherwise(value, old, new)
    elif isinstance(said, list):
        for value in said:
            _say_otherwise(value, old, new)

"""A plan that somebody reviewed, kept in a file: an apply of it sends what is in it and still due, and never more.

Everything is judged again at the apply. What fell away meanwhile is left out and named; what became due since is left for
the next apply. Under other definitions, in another environment or on another ledger the file is stale: nothing is done.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from engine.definitions.definitions import Definitions
from engine.errors import EngineError, WrongUsage
from engine.plan.plan import Plan
from engine.runs.holding import WRITTEN, only_reviewed, paths_written

SAVED_VERSION = 2
# A plan of a million mails has 500 MB; what is larger is no plan of ours.
LARGEST = 2_000_000_000
# What a person reads of a long list.
_NAMED = 8
_PLAN_AGAIN = "make a plan of what is there now: `engine plan --out FILE`, and have it reviewed again"


class StalePlan(EngineError):
    """What was reviewed is not what would be done now: nothing was sent and nothing written (exit 4)."""

    exit_code = 4


@dataclass(frozen=True)
class SavedPlan:
    """What a file says of the plan in it. `sends` has the step of each send key, `sequences` what it was narrowed to,
    `paths` whom it enrolls, brings back and lets go (`holding.WRITTEN`)."""

    project: str
    environment: str
    lineage: str
    now: str
    definitions: str
    files: Mapping[str, str]
    digest: str
    sequences: tuple[str, ...] | None
    sends: Mapping[str, tuple[str, str]]
    skips: frozenset[str]
    paths: Mapping[str, frozenset[str]]


def plan_digest(plan: Plan) -> str:
    """Equal where two plans would do the same under the same definitions: send, skip, exit and complete the same. Facts, the moment and
    the ledger's head are not in it, since they change without a consequence."""
    doing = plan.decisions.filter(pc.is_in(plan.decisions["decision"], value_set=pa.array(["send", "skip", "exit", "complete"])))
    columns = ["decision", "reason", "sequence", "step", "entity", "record", "occurrence", "contact", "template", "locale"]
    rows = sorted(json.dumps(row) for row in zip(*(doing[name].to_pylist() for name in columns)))
    return _sha(json.dumps([plan.definitions.project.name, plan.environment, plan.definitions.digest, rows]))


def saved_block(plan: Plan, lineage: str, *, narrowed: bool) -> dict[str, Any]:
    """What a file needs beside the plan in it, to be told from another later."""
    return {
        "version": SAVED_VERSION,
        "ledger": lineage,
        "sequences": sorted(summary.id for summary in plan.sequences) if narrowed else None,
        "files": file_digests(plan.definitions),
        "paths": paths_written(plan),
    }


def file_digests(definitions: Definitions) -> dict[str, str]:
    """A short digest of each part of the definitions, by the file it stands in: to name what changed."""
    said: dict[str, str] = {"engine.yaml": repr(definitions.project), "definitions/crm.yaml": repr(definitions.crm)}
    for kind in ("type", "template", "segment", "sequence", "enrollment"):
        for id, part in getattr(definitions, f"{kind}s").items():
            said[definitions.where(kind, id).file] = repr(part)
    said |= {layout.file: layout.html for layout in definitions.layouts.values()}
    said |= dict(definitions.bodies)
    said |= {f"definitions/partials/{path}": text for path, text in definitions.partials.items()}
    for id, members in definitions.members.items():
        said[definitions.where("segment", id).file] = said.get(definitions.where("segment", id).file, "") + json.dumps(members)
    return {file: _sha(text)[7:23] for file, text in sorted(said.items())}


def read_saved(path: Path) -> SavedPlan:
    """The plan in a file. WrongUsage where it holds none, StalePlan where somebody changed it since."""
    not_one = WrongUsage(f"{path} is not a saved plan", help="`engine plan --out FILE` makes one")
    try:
        if path.stat().st_size > LARGEST:
            raise not_one
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise WrongUsage(f"there is no file {path}", help="`engine plan --out FILE` makes a plan to apply later") from None
    except OSError as error:
        raise WrongUsage(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise not_one from None
    if not isinstance(value, dict) or value.get("kind") != "plan":
        raise not_one
    if not isinstance(value.get("saved"), dict):
        raise WrongUsage(f"{path} is a plan to read, not one to apply", help="`engine plan --out FILE` makes one that can be applied")
    if value["saved"].get("version") != SAVED_VERSION:
        raise StalePlan(f"{path} was made by another version of the engine ({value.get('engine_version')})", help=_PLAN_AGAIN)
    try:
        saved = _parsed(value)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise not_one from None
    if value["saved"].get("seal") != seal(value):
        raise StalePlan(f"{path} was changed after it was made, so nobody has reviewed what is in it now", help=_PLAN_AGAIN)
    return saved


def _parsed(value: Mapping[str, Any]) -> SavedPlan:
    saved = value["saved"]
    return SavedPlan(
        project=str(value["project"]),
        environment=str(value["env"]),
        lineage=str(saved["ledger"]),
        now=str(value["now"]),
        definitions=str(value["definitions"]["digest"]),
        files={str(file): str(digest) for file, digest in saved["files"].items()},
        digest=str(value["digest"]),
        sequences=None if saved["sequences"] is None else tuple(str(id) for id in saved["sequences"]),
        sends={str(row["send_key"]): (str(row["sequence"]), str(row["step"])) for row in value["decisions"] if row["decision"] == "send"},
        skips=frozenset(str(row["send_key"]) for row in value["decisions"] if row["decision"] == "skip"),
        paths={name: frozenset(str(key) for key in saved["paths"][name]) for name in WRITTEN},
    )


def seal(value: Mapping[str, Any]) -> str:
    """A digest of the whole file but of the seal itself: a slip of an editor is found by it. It is no signature."""
    unsealed = {**value, "saved": {name: said for name, said in value["saved"].items() if name != "seal"}}
    return _sha(json.dumps(unsealed, sort_keys=True, ensure_ascii=False))


@dataclass(frozen=True)
class Reviewed:
    """What an apply is held to: a saved plan, a digest (of the plan, or of the definitions that it was made of), or both."""

    saved: SavedPlan | None = None
    digest: str | None = None

    def held_to(self, plan: Plan, lineage: str) -> tuple[Plan, list[str]]:
        """The plan as far as it was reviewed, and what to say of the rest. StalePlan where it must not be done at all."""
        if self.digest is not None and self.digest not in ((found := plan_digest(plan)), plan.definitions.digest):
            raise StalePlan(
                f"the plan is not the expected one: {found} in place of {self.digest}, and the definitions are {plan.definitions.digest}",
                help="the definitions, or what is due, changed since; `engine plan` shows what would be done now",
            )
        if self.saved is None:
            return plan, []
        _refuse_other_ground(self.saved, plan, lineage)
        return _shrunk(self.saved, plan)


def _refuse_other_ground(saved: SavedPlan, plan: Plan, lineage: str) -> None:
    project = plan.definitions.project.name
    if (saved.project, saved.environment) != (project, plan.environment):
        raise StalePlan(
            f"the plan is for `{saved.environment}` of {saved.project}, and this is `{plan.environment}` of {project}",
            help=f"apply it there (`--env {saved.environment}`)" if saved.project == project else _PLAN_AGAIN,
        )
    if saved.lineage != lineage:
        raise StalePlan("the plan was made on another ledger than this one: it was made anew or restored since", help=_PLAN_AGAIN)
    if saved.definitions != plan.definitions.digest:
        now = file_digests(plan.definitions)
        changed = sorted(file for file in {*now, *saved.files} if now.get(file) != saved.files.get(file))
        named = ", ".join(changed[:_NAMED]) + (f" and {len(changed) - _NAMED} more" if len(changed) > _NAMED else "")
        raise StalePlan(f"the definitions changed since the plan was made: {named or 'their form'}", help=_PLAN_AGAIN)


def _shrunk(saved: SavedPlan, plan: Plan) -> tuple[Plan, list[str]]:
    """The plan with what was reviewed. Rows that an earlier apply planned and that are not among them are taken back: the next
    plan lets them go again."""
    sends = plan.changes["sends"]
    was_reviewed = pc.is_in(sends["send_key"].cast(pa.string()), value_set=pa.array(sorted(saved.sends), pa.string()))
    kept, later = sends.filter(was_reviewed), sends.filter(pc.invert(was_reviewed))
    gone = set(saved.sends) - set(kept["send_key"].cast(pa.string()).to_pylist())
    if saved.sends and not kept.num_rows:
        raise StalePlan(f"nothing of the plan of {saved.now} is due any more: {_why(plan, gone, saved)}", help=_PLAN_AGAIN)
    notes = []
    if gone:
        notes.append(f"{len(gone):,} of the {len(saved.sends):,} reviewed mails are not due any more and were left out: {_why(plan, gone, saved)}")
    if later.num_rows:
        notes.append(f"{later.num_rows:,} more became due since the plan was made; they are left for the next apply")
    cancels = plan.changes["cancels"]
    taken_back = pa.table({"send_key": later["send_key"], "reason": pa.array(["cancelled"] * later.num_rows, pa.string())}).cast(cancels.schema)
    held = only_reviewed(plan, kept, saved.skips, saved.paths)
    if held.left_out:
        notes.append(
            f"what changed since for {held.left_out:,} more {'person' if held.left_out == 1 else 'people'} on their way (who enters, leaves or passes a step) is left for the next apply"
        )
    return replace(held.plan, changes={**held.plan.changes, "cancels": pa.concat_tables([cancels, taken_back])}), notes


def _why(plan: Plan, gone: set[str], saved: SavedPlan) -> str:
    """Why reviewed mails do not go: how many, by the reason that stands for them now."""
    rows = plan.decisions.filter(pc.is_in(plan.decisions["send_key"].cast(pa.string()), value_set=pa.array(sorted(gone), pa.string())))
    reasons = Counter(f"{decision} {reason}" for decision, reason in zip(rows["decision"].to_pylist(), rows["reason"].to_pylist()))
    other = len(gone) - sum(reasons.values())
    told = [f"{count:,} {reason}" for reason, count in sorted(reasons.items(), key=lambda item: (-item[1], item[0]))]
    return ", ".join([*told, *([f"{other:,} already sent, ended or moved"] if other else [])])


def _sha(text: str) -> str:
    return f"sha256:{sha256(text.encode('utf-8')).hexdigest()}"

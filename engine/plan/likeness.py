"""8.7: a sequence or step that is gone, and a new one that looks like it. Without `renamed_from` its people would be new again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from engine.plan.revisions import Revisions, Said, templates_of
from engine.problems import Problem


def likely_renamed(both: Revisions) -> Mapping[str, str]:
    """New sequences that look like one that is gone: its old id, by the new one's. An archived one had ended before it went."""
    old, new = both.kind("sequences")
    gone = {id: said for id, said in sorted(old.items()) if id not in new and id not in both.renamed and said.get("status", "draft") != "archived"}
    fresh = {id: said for id, said in new.items() if id not in old and id not in both.renamed.values()}
    found = {}
    for id, said in fresh.items():
        alike = [name for name, before in gone.items() if before.get("about") == said.get("about") and _alike(before, said)]
        if alike:
            found[id] = max(alike, key=lambda name: len(_steps(gone[name]) & _steps(said)))
    return found


def likely_renamed_steps(both: Revisions, sequence: str) -> Mapping[str, str]:
    """New steps of a sequence that use the template of one that is gone: its old id, by the new one's."""
    old, new = both.kind("sequences")
    before = next((was for was, now in both.renamed.items() if now == sequence), sequence)
    if before not in old or sequence not in new:
        return {}
    called = both.steps_renamed(sequence)
    first = {step["id"]: step for step in old[before]["steps"]}
    second = {step["id"]: step for step in new[sequence]["steps"]}
    gone = {id: step for id, step in first.items() if id not in second and id not in called}
    found: dict[str, str] = {}
    for id, step in second.items():
        if id in first or id in called.values():
            continue
        alike = [name for name, was in gone.items() if name not in found.values() and templates_of(was) & templates_of(step)]
        if alike:
            found[id] = alike[0]
    return found


def unsaid_renames(both: Revisions) -> Iterator[Problem]:
    """An error for each, at the new one's id, with the two ways out."""
    for id, before in sorted(likely_renamed(both).items()):
        yield Problem(
            "E260",
            f"the sequence `{before}` is gone, and `{id}` looks like it: who has had its mails would get them again",
            both.after.where("sequence", id).value("id"),
            f"if it is the same, write `renamed_from: {before}`; if it is another, keep `{before}` with `status: archived` for one apply",
        )
    _, new = both.kind("sequences")
    for id, said in sorted(new.items()):
        likely = likely_renamed_steps(both, id)
        for index, step in enumerate(said["steps"]):
            if step["id"] in likely:
                before = likely[step["id"]]
                yield Problem(
                    "E260",
                    f"the step `{before}` is gone, and `{step['id']}` uses its template: who has had it would get it again",
                    both.after.where("sequence", id).value("steps", index, "id"),
                    f"if it is the same, write `renamed_from: {before}` at the step; if it is another, keep `{before}` with `active: false` for one apply",
                )


def changed_identities(both: Revisions) -> Iterator[Problem]:
    """8.10: what a sequence is about, and what identifies a record, are what the ledger remembers by."""
    old, new = both.kind("sequences")
    was_called = {now: before for before, now in both.renamed.items()}
    for id, said in sorted(new.items()):
        before = old.get(was_called.get(id, id))
        if before is not None and before.get("about") != said.get("about"):
            yield Problem(
                "E261",
                f"`{id}` was about `{before.get('about')}`, and is about `{said.get('about')}` now",
                both.after.where("sequence", id).value("about"),
                "make it a new sequence with another id, and archive this one",
            )
    first, second = both.old.get("crm", {}), both.new.get("crm", {})
    needed = {said.get("about") for said in old.values()} | {first.get("contact", {}).get("entity")}
    for name in sorted(first.get("entities", {}).keys() & second.get("entities", {}).keys() & needed):
        was, now = first["entities"][name].get("key"), second["entities"][name].get("key")
        if was != now:
            yield Problem(
                "E261",
                f"the key of `{name}` was `{was}`, and is `{now}` now: the ledger would know nobody again",
                both.after.where("crm", "crm").value("entities", name, "key"),
                f"put `key: {was}` back, or carry the old keys over: `engine state rekey {name} --map FILE`, a CSV with the columns old and new",
            )


def _alike(old: Said, new: Said) -> bool:
    shared = _steps(old) & _steps(new)
    return len(shared) * 2 >= len(_steps(old)) or any(templates_of(one) & templates_of(other) for one in old["steps"] for other in new["steps"])


def _steps(said: Said) -> set[str]:
    return {step["id"] for step in said["steps"]}

"""Loading: trees, digests, files beside the YAML, one problem per mistake, and what it costs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from engine.definitions.loading import GitTree, MemoryTree, WorkTree, load
from engine.errors import EngineError
from tests.definitions.projects import ROOT, codes, files, good, problems, replaced

SEQUENCE = "definitions/sequences/renewal.yaml"


def git(folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.com", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@example.com", "GIT_CONFIG_GLOBAL": "/dev/null"}
    return subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True, env=environment).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """The project below a folder of a git repository, committed once."""
    project = tmp_path / "shop"
    for path, content in files().items():
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).write_bytes(content)
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "one")
    return project


def test_the_three_trees_say_the_same(repository: Path) -> None:
    """A working tree, a revision and memory give one digest for one content."""
    loaded = [load(tree) for tree in (WorkTree(repository), GitTree(repository, "HEAD"), MemoryTree(files()))]
    digests = {one.definitions.digest for one in loaded if one.definitions is not None}
    assert len(digests) == 1 and all(one.problems == () for one in loaded)
    assert digests.pop().startswith("sha256:")


def test_a_revision_is_read_without_touching_the_checkout(repository: Path) -> None:
    """The older text is read from git's objects while the newer one lies in the folder, not even added."""
    (repository / SEQUENCE).write_text((repository / SEQUENCE).read_text().replace("Contract renewal", "Renewals"))
    before = git(repository, "status", "--porcelain")
    old, new = load(GitTree(repository, "HEAD")).definitions, load(WorkTree(repository)).definitions
    assert old is not None and new is not None
    assert (old.sequences["renewal"].name, new.sequences["renewal"].name) == ("Contract renewal", "Renewals")
    assert old.digest != new.digest
    assert git(repository, "status", "--porcelain") == before


def test_the_commit_is_known_only_when_nothing_differs_from_it(repository: Path) -> None:
    """HEAD for a clean tree and for a revision; none for a changed file, an untracked one, or outside git."""
    head = git(repository, "rev-parse", "HEAD")

    def commit() -> str | None:
        loaded = load(WorkTree(repository))
        assert loaded.definitions is not None
        return loaded.definitions.commit

    assert commit() == head
    (repository / "state").mkdir()
    (repository / "state" / "x").write_text("not ours")
    assert commit() == head
    (repository / "definitions/sequences/new.yaml").write_text("id: new\nabout: contact\ntrigger: manual\nsteps: [{id: a, wait: 0d, template: tips}]\n")
    assert commit() is None
    revision = load(GitTree(repository, "HEAD")).definitions
    assert revision is not None and revision.commit == head
    assert load(WorkTree(ROOT)).definitions is not None


@pytest.mark.parametrize("ref", ["nothing", "--help", "", "HEAD:engine.yaml", "-x"])
def test_what_is_no_revision_is_refused(repository: Path, ref: str) -> None:
    """An option in place of a revision is no way into git."""
    with pytest.raises(EngineError):
        GitTree(repository, ref)


def test_links_may_not_lead_out(repository: Path, tmp_path: Path) -> None:
    """A body behind a symbolic link is read inside the project only, in the folder and in a revision."""
    secret = tmp_path / "secret.md"
    secret.write_text("a secret")
    body = repository / "definitions/templates/renewal-30.en.md"
    body.rename(body.with_name("real.en.md"))
    body.symlink_to("real.en.md")
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "a link inside")
    for tree in (WorkTree(repository), GitTree(repository, "HEAD")):
        loaded = load(tree)
        assert loaded.definitions is not None and "Your contract" in loaded.definitions.bodies["definitions/templates/renewal-30.en.md"]
    body.unlink()
    body.symlink_to(secret)
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "a link to outside")
    for tree in (WorkTree(repository), GitTree(repository, "HEAD")):
        found = load(tree).problems
        assert [problem.code for problem in found if problem.severity == "error"] == ["E122"]
        assert "a secret" not in str(found)


@pytest.mark.parametrize("name", ["../../../x.md", "/etc/passwd.md", "~/x.md", "C:\\x.md", "a\\..\\x.md", "../../../../../../etc/hosts.md"])
def test_bodies_may_not_lead_out(name: str) -> None:
    """Nor by dots, nor as an absolute path."""
    assert "E122" in codes(replaced("definitions/templates/renewal-30.yaml", "{file: renewal-30.en.md}", f"{{file: '{name}'}}"))


def test_a_body_may_stand_elsewhere_in_the_project() -> None:
    """Paths are relative to the template's file, and `..` may stay inside."""
    changed = replaced("definitions/templates/renewal-30.yaml", "renewal-30.en.md", "../../texts/hello.md")
    assert good({**changed, "texts/hello.md": "Hello"}).bodies["texts/hello.md"] == "Hello"


def digest(changed: dict[str, str | bytes]) -> str:
    return good(changed).digest


@pytest.mark.parametrize(
    "changed",
    [
        replaced(SEQUENCE, "name: Contract renewal\nowner: accounts\n", "# a comment\nowner: accounts   # another\nname: 'Contract renewal'\n"),
        replaced("definitions/segments/large.yaml", "  contract.monthly_value: {between: [1000, 5000]}\n  contract.end_date: {before: \"2027-01-01\"}\n",
                 "  contract.end_date: {before: \"2027-01-01\"}\n  contract.monthly_value:\n    between:\n    - 1000\n    - 5000\n"),
        replaced("engine.yaml", "owners: {accounts: accounts@example.com, marketing: marketing@example.com}", "owners: {marketing: marketing@example.com, accounts: accounts@example.com}"),
    ],
    ids=["comments and order of keys", "order of rules in one mapping", "order of a mapping"],
)  # fmt: skip
def test_the_digest_knows_what_is_said_and_not_how(changed: dict[str, str | bytes]) -> None:
    """Comments, quotes, the order of keys and the shape of YAML are not in it."""
    assert digest(changed) == digest({})


def test_the_digest_does_not_know_where_files_lie() -> None:
    """Subfolders are free: moving a template with its bodies changes nothing."""
    moved = {path.replace("/templates/", "/templates/renewals/"): content for path, content in files().items()}
    loaded = load(MemoryTree(moved))
    assert loaded.definitions is not None and loaded.definitions.digest == digest({})


@pytest.mark.parametrize(
    "changed",
    [
        replaced(SEQUENCE, "before: 30d", "before: 31d"),
        replaced("engine.yaml", "locales: [en, th]", "locales: [th, en]"),
        {"definitions/templates/renewal-30.en.md": "Another text {{ end_date }}"},
        {"definitions/layouts/default.html": "<html>{{ body }}</html>"},
        {"definitions/segments/vip.csv": "key\n12\n"},
        {"definitions/partials/footer.md": "Regards"},
    ],
    ids=["a step", "order of a list", "a body", "a layout", "members", "a partial"],
)
def test_the_digest_knows_every_text_that_is_sent(changed: dict[str, str | bytes]) -> None:
    """What changes a mail or who gets it changes the digest, also in files beside the YAML."""
    assert digest(changed) != digest({})


def test_static_members_are_keys_as_text() -> None:
    """From the list or from a CSV file, each once, in order; blank lines are nobody."""
    definitions = good({"definitions/segments/vip.csv": "name,key\nAna,12\nBo,17\nBo,17\n,\n"})
    assert definitions.members == {"old": ("12", "17"), "vip": ("12", "17")}


def test_partials_are_read_by_their_name() -> None:
    """`definitions/partials/` holds what bodies include."""
    assert good({"definitions/partials/legal/footer.md": "Regards"}).partials == {"legal/footer.md": "Regards"}


def test_a_broken_file_is_told_once() -> None:
    """Whatever depends on a file that cannot be read is silent until it can: one mistake, one problem."""
    for path in sorted(files()):
        if path.endswith(".yaml"):
            assert codes({path: "id: [\n"}) == ["E101"], path
            assert len(problems({path: files()[path] + b"\nunknown_key: 1\n"})) == 1, path


def test_all_mistakes_are_told_at_once_sorted_by_place() -> None:
    """Three files, four mistakes, one answer."""
    changed = {**replaced(SEQUENCE, "owner: accounts", "owner: nobody"), **replaced("definitions/templates/tips.yaml", "type: news", "type: nws"), "definitions/enrollments/x.yaml": "id: y\nsequence: welcome\ncontacts: [1]\n"}
    changed[SEQUENCE] = str(changed[SEQUENCE]).replace("before: 1d", "before: 1m")
    found = problems(changed)
    assert [(problem.code, problem.origin.file.rsplit("/")[-1]) for problem in found if problem.origin] == [("E112", "x.yaml"), ("E116", "renewal.yaml"), ("E230", "tips.yaml")]
    changed[SEQUENCE] = str(changed[SEQUENCE]).replace("before: 1m", "before: 1d")
    assert [problem.code for problem in problems(changed)] == ["E112", "E236", "E230"]


def test_there_are_no_definitions_with_an_error_and_some_with_a_warning() -> None:
    """A warning stops nothing."""
    warned = load(MemoryTree({**files(), "definitions/templates/unused.md": b"x"}))
    assert warned.definitions is not None and [problem.severity for problem in warned.problems] == ["warning"] and warned.errors == ()
    assert load(MemoryTree({**files(), SEQUENCE: b""})).definitions is None


def test_an_empty_project_says_what_begins_one() -> None:
    """Nothing at all is two missing files, no more."""
    assert [problem.code for problem in load(MemoryTree({})).problems] == ["E125", "E125"]


def test_a_folder_that_is_no_file_never_blocks(tmp_path: Path) -> None:
    """A named pipe where a body should be is a file that is not there."""
    for path, content in files().items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    body = tmp_path / "definitions/templates/renewal-30.en.md"
    body.unlink()
    os.mkfifo(body)
    assert "E248" in [problem.code for problem in load(WorkTree(tmp_path)).problems]


_WORDS = st.sampled_from(["id", "steps", "trigger", "all", "null", "{}", "[]", "12", "true", "x.y", "-1", "''", "30d", "*a", "1.5", ".nan", "contract.end_date", "{a: {b: 1}}", "[1, {a: 2}]", "~", "é"])


@given(st.sampled_from(sorted(path for path in files() if path.endswith(".yaml"))), st.data())
def test_whatever_stands_in_a_file_loading_never_raises(path: str, data: st.DataObject) -> None:
    """One word of a good file becomes another: there are definitions, or problems with places."""
    text = files()[path].decode()
    spots = [index for index, character in enumerate(text) if character in ":,{[ "]
    at = data.draw(st.sampled_from(spots)) + 1
    end = at + data.draw(st.integers(0, 12))
    loaded = load(MemoryTree({**files(), path: text[:at] + data.draw(_WORDS) + text[end:]}))
    assert (loaded.definitions is None) == bool(loaded.errors)
    for problem in loaded.problems:
        assert problem.origin is not None and problem.message and "\n" not in problem.message


_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.sampled_from(["all", "manual", "30d", "contract.end_date", "contact", "09:00"])),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["id", "if", "use", "all", "not", "date", "where", "x.y", "equals", "count", "segment", "exists", "at_least"]), inner, max_size=3)),
    max_leaves=6,
)  # fmt: skip


@given(st.sampled_from(["definitions/sequences/renewal.yaml", "definitions/types/renewal.yaml", "definitions/segments/hotels.yaml", "definitions/crm.yaml", "engine.yaml", "definitions/templates/renewal-30.yaml"]), st.data())
def test_any_value_under_any_key_is_judged_calmly(path: str, data: st.DataObject) -> None:
    """A key of a good file gets a value of any shape."""
    said = yaml.safe_load(files()[path])
    said[data.draw(st.sampled_from(sorted(said)))] = data.draw(_VALUES)
    loaded = load(MemoryTree({**files(), path: yaml.safe_dump(said, allow_unicode=True).encode("utf-8", "surrogatepass")}))
    assert (loaded.definitions is None) == bool(loaded.errors)


def test_loading_imports_nothing_heavy() -> None:
    """Words know no SQL, no database and no template engine."""
    program = "import engine.definitions.loading, engine.definitions.variables, engine.definitions.environments, sys; print(sorted({'sqlglot','duckdb','jinja2','babel','pyarrow','rich','click','email_validator'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip() == "[]"

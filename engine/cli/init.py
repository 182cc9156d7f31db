"""`engine init`: a new project that works at once."""

from __future__ import annotations

import shlex
import shutil
from importlib.resources import as_file, files
from pathlib import Path

import click

from engine.cli.door import PROJECT_FILE, Door
from engine.cli.options import format_option, now_option, pass_door
from engine.cli.state_folder import make_state_folder
from engine.errors import EngineError
from engine.library import PARTS

DEFINITIONS, STATE, CRM = "definitions", "state", "crm.duckdb"


@click.command()
@click.argument("folder", required=False, metavar="[DIR]", type=click.Path(path_type=Path))
@click.option(
    "--library",
    multiple=True,
    default=("all",),
    show_default="all",
    type=click.Choice(["all", *PARTS]),
    help="Only these parts of the example library; may be said more than once.",
)
@format_option("text", "json")
@now_option
@pass_door
def init(door: Door, folder: Path | None, library: tuple[str, ...], format_: str) -> int:
    """A new project in DIR (the current folder if not said): the example library, a demo CRM around today, an empty ledger.

    Nothing that is there is overwritten.
    """
    root = door.directory / folder if folder else door.directory
    taken = [name for name in (PROJECT_FILE, DEFINITIONS, f"{STATE}/ledger.duckdb", f"{STATE}/{CRM}") if (root / name).exists()]
    if taken:
        raise EngineError(
            f"{root.resolve()} has a project already: {', '.join(taken)} {'is' if len(taken) == 1 else 'are'} there, and nothing was changed",
            help="name a new folder: `engine init DIR`; or go on with the one that is there: `engine plan`",
        )
    before = {path.name for path in root.iterdir()} if root.is_dir() else set()
    try:
        _copy_library(root, library)
        _make_state(root)
        # The environment that was named belongs to a project; a new one begins with its first.
        counts = _fill(Door(root, None, door.now_said, door.environ))
    except BaseException:
        # Half a project would be refused by the next try.
        for path in [path for path in root.iterdir() if path.name not in before] if root.is_dir() else []:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        raise
    if format_ == "json":
        from engine.views.answered import as_json

        door.out(as_json("init", path=str(root.resolve()), library=list(library), records=counts))
    else:
        _say(door, root, folder, counts)
    return 0


def _copy_library(root: Path, parts: tuple[str, ...]) -> None:
    root.mkdir(parents=True, exist_ok=True)
    with as_file(files("engine.library")) as library:
        shutil.copyfile(library / PROJECT_FILE, root / PROJECT_FILE)
        if "all" in parts:
            shutil.copytree(library / DEFINITIONS, root / DEFINITIONS, ignore=shutil.ignore_patterns(".*"))
            return
        for path in _wanted(library, parts):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(library / path, root / path)


def _wanted(library: Path, parts: tuple[str, ...]) -> list[str]:
    from engine.definitions.trees import WorkTree
    from engine.definitions.yaml_reader import read_yaml
    from engine.library.choosing import TESTS, files_of
    from engine.runs.opening import sound_definitions

    tests = []
    for path in sorted((library / TESTS).glob("*.yaml")):
        name = (TESTS / path.name).as_posix()
        cases = read_yaml(name, path.read_bytes()).data
        tests.append((name, {id for case in cases for id in case["sequences"]}))
    # In a checkout the library is a link to the project's own definitions.
    root = (library / PROJECT_FILE).resolve().parent
    return sorted(files_of(sound_definitions(WorkTree(root))[0], parts, tests))


def _make_state(root: Path) -> None:
    from engine.ledger.pseudonyms import make_pseudonym_key

    make_state_folder(root / STATE)
    make_pseudonym_key(root / STATE)


def _fill(door: Door) -> dict[str, int]:
    """The CRM, the ledger with the addresses that bounced before, and the schemas for editors; the CRM's counts."""
    from engine.clock import to_local
    from engine.definitions.schema import write_schemas
    from engine.ledger.orders import Order
    from engine.library.demo_crm import make_demo_crm
    from engine.library.demo_log import LOG, make_demo_log

    site = door.site()
    today = to_local(site.now, site.definitions.project.timezone).date()
    crm = make_demo_crm(site.state / CRM, today)
    make_demo_log(site.state / CRM, site.state / LOG, today, crm.bounced)
    write_schemas(site.root, site.definitions)
    site.home.create(site.now)
    orders = {
        f"init-{number:03}": Order(
            "suppress", site.now, "engine init", note="bounced before", address_key=site.pseudonyms.address_key(address), reason="bounce"
        )
        for number, address in enumerate(crm.bounced)
    }
    with site.open_ledger("init") as ledger:
        ledger.take_in(orders, site.now)
    return crm.counts


def _say(door: Door, root: Path, folder: Path | None, counts: dict[str, int]) -> None:
    from engine.views.phrases import joined, wrapped

    here = Door(root if folder or door.directory != Path() else Path(), None, door.now_said)
    records = joined([f"{count:,} {table}" for table, count in counts.items()])
    parts = {
        "engine.yaml": "the project: sender, environments, guards",
        "definitions/": "the map of the CRM; types, templates, segments, sequences",
        "state/": f"an empty ledger, and a made-up CRM: {records}",
        ".schemas/": "for your editor: it completes and checks as you type",
    }
    lines = [f"{door.ink.good('A new project')} in {root.resolve()}", ""]
    for name, text in parts.items():
        lines += wrapped(text, door.width, first=f"  {name:<13} ")
    lines += [
        "",
        "Next",
        f"  {here.command('plan')}",
        *_commit(root, root if folder or door.directory != Path() else Path()),
        f"  {here.command('apply')}",
        "",
        f"The mails go into {(root / STATE / 'outbox').as_posix()}; nothing leaves this machine.",
        *wrapped("Commit before you apply: every mail then leads back to its commit. `state/` stays out of git.", door.width),
    ]
    door.out("\n".join(lines))


def _commit(root: Path, said: Path) -> list[str]:
    """The definitions belong into git before the first mail leaves: the mail then names its commit."""
    if any((above / ".git").exists() for above in (root.resolve(), *root.resolve().parents)):
        return []
    git = f"git -C {shlex.quote(str(said))}" if said != Path() else "git"
    return [f"  {git} init && {git} add . && {git} commit -m begin"]

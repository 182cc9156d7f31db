"""How long a command takes before it does anything, and how long a large project takes to be read and checked."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from engine.messages.filters import NAMES
from tests.bench.measuring import Measure, best, seconds
from tests.bench.world import project_files

ROOT = Path(__file__).resolve().parents[2]
_BARE = """
import sys
from pathlib import Path
import jinja2, yaml
environment = jinja2.Environment(autoescape=True)
environment.filters.update(dict.fromkeys(sys.argv[2].split(), str))
for path in sorted(Path(sys.argv[1]).rglob('*')):
    if path.suffix == '.yaml':
        yaml.load(path.read_bytes(), Loader=yaml.CSafeLoader)
    elif path.suffix == '.md':
        environment.from_string(path.read_text(encoding='utf-8'))
"""


def measures(scale: float, rounds: int) -> Iterator[Measure]:
    ours, bare = best(lambda: _python("-m", "engine", "--help"), lambda: _python("-c", "import click"), 3 * rounds)
    yield Measure("`engine --help`", seconds(ours), seconds(bare), ours / bare, "at most 4 times `python -c 'import click'`", ours / bare <= 4)
    with tempfile.TemporaryDirectory() as folder:
        root, tenth = Path(folder), max(10, int(100 * scale))
        count = _large_project(root, tenth)
        ours, bare = best(lambda: _python("-m", "engine", "-C", str(root), "validate"), lambda: _python("-c", _BARE, str(root), " ".join(NAMES)), rounds)
        note = f"{tenth} templates in two languages, {tenth} types, {3 * tenth} sequences, {3 * tenth} segments; both with the start of the process"
        goal = "at most 3 times PyYAML's C loader and bare Jinja2"
        yield Measure(f"`validate` of {count:,} files", seconds(ours), seconds(bare), ours / bare, goal, ours / bare <= 3, note)


def _python(*words: str) -> None:
    subprocess.run([sys.executable, *words], check=True, cwd=ROOT, stdout=subprocess.DEVNULL)


def _large_project(root: Path, tenth: int) -> int:
    """Ten times `tenth` files of definitions, and engine.yaml and crm.yaml beside them."""
    library = ROOT / "definitions"
    body = {locale: (library / "templates" / f"renewal-30-days.{locale}.md").read_text(encoding="utf-8") for locale in ("en", "th")}
    kind = (library / "types" / "renewal-30-days.yaml").read_text(encoding="utf-8")
    template = (library / "templates" / "renewal-30-days.yaml").read_text(encoding="utf-8")
    sequence = (library / "sequences" / "contract-renewal.yaml").read_text(encoding="utf-8")
    segment = (library / "segments" / "large-contracts.yaml").read_text(encoding="utf-8")
    files = {"engine.yaml": (ROOT / "engine.yaml").read_text(encoding="utf-8")}
    for name in ("crm.yaml", "layouts/default.html", "types/common.yaml", "types/renewal.yaml"):
        files[f"definitions/{name}"] = (library / name).read_text(encoding="utf-8")
    beside = len(files)
    for number in range(tenth):
        files[f"definitions/types/kind-{number}.yaml"] = kind.replace("id: renewal-30-days", f"id: kind-{number}")
        text = template.replace("id: renewal-30-days", f"id: letter-{number}").replace("type: renewal-30-days", f"type: kind-{number}")
        files[f"definitions/templates/letter-{number}.yaml"] = text.replace("renewal-30-days.", f"letter-{number}.")
        for locale in body:
            files[f"definitions/templates/letter-{number}.{locale}.md"] = body[locale]
    for number in range(3 * tenth):
        own = sequence.replace("id: contract-renewal", f"id: way-{number}")
        for old in ("renewal-30-days", "renewal-14-days", "renewal-7-days", "renewal-urgent"):
            own = own.replace(f"template: {old}", f"template: letter-{number % tenth}")
        files[f"definitions/sequences/way-{number}.yaml"] = own
        files[f"definitions/segments/group-{number}.yaml"] = segment.replace("id: large-contracts", f"id: group-{number}")
    project_files(root, files)
    return len(files) - beside

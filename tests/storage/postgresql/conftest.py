from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import URL

from tests.contracts.storage.backends import is_required
from tests.servers import postgresql
from tests.storage.postgresql.databases import conninfo


@pytest.fixture(scope="session")
def server() -> URL:
    """A database of this test process, as a superuser."""
    reason = postgresql.why_absent()
    if reason is not None:
        if is_required("postgresql"):
            pytest.fail(f"FLOWORCH_REQUIRE asks for postgresql, but {reason}")
        pytest.skip(f"postgresql: {reason}")
    return postgresql.shared_server()


@pytest.fixture
def database(server: URL) -> Iterator[URL]:
    """An empty database, as its superuser."""
    url = postgresql.create_database(server)
    yield url
    with psycopg.connect(conninfo(server), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{url.database}" WITH (FORCE)'.encode())


@pytest.fixture
def admin(database: URL) -> Iterator[psycopg.Connection]:
    """A superuser's connection to the empty database."""
    with psycopg.connect(conninfo(database), autocommit=True) as connection:
        yield connection

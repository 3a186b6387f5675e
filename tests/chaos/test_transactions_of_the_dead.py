"""What a handler wrote in its transaction when its process died, or was paused for longer than its lease."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.chaos.processes import Worker
from tests.contracts.storage.business import Business
from tests.servers import postgresql

pytestmark = pytest.mark.chaos
APP = "tests.chaos.transactional_app"


@pytest.fixture(params=["sqlite", "postgresql"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> sa.URL:
    if request.param == "sqlite":
        return sa.URL.create("sqlite", database=str(tmp_path / "flows.db"))
    if (reason := postgresql.why_absent()) is not None:
        pytest.skip(reason)
    return postgresql.shared_server()


@pytest.fixture
def business(target: sa.URL) -> Iterator[Business]:
    table = Business(target if target.drivername == "sqlite" else target.set(drivername="postgresql+psycopg"))
    yield table
    table.close()
    if target.drivername != "sqlite":
        engine = sa.create_engine(target.set(drivername="postgresql+psycopg"))
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP SCHEMA IF EXISTS floworch CASCADE")
        engine.dispose()


@pytest.fixture
def run_to(target: sa.URL, business: Business, start_worker: Callable[..., Worker]) -> Callable[[str], Worker]:
    place = target.database if target.drivername == "sqlite" else target.render_as_string(hide_password=False)
    return lambda point: start_worker(place, business.table.name, point, module=APP)


@pytest.mark.parametrize("point", ["start", "statement", "end", "commit"])
def test_nothing_is_left_of_an_attempt_whose_process_died(
    point: str, run_to: Callable[[str], Worker], business: Business
) -> None:
    run_to(point).wait_for(f"at {point}")
    survivor = run_to("none")
    survivor.wait_for("Succeeded 2")
    assert business.names() == ["attempt 2"]


def test_a_process_that_was_paused_past_its_lease_commits_once_or_not_at_all(
    target: sa.URL, run_to: Callable[[str], Worker], business: Business
) -> None:
    paused = run_to("pause")
    paused.wait_for("at pause")
    if target.drivername == "sqlite":
        # It holds the only write lock, so nobody could take the step: it completes it.
        paused.resume()
        paused.finish()
        assert business.names() == ["attempt 1"]
        return
    run_to("none").wait_for("Succeeded 2")
    paused.resume()
    paused.finish()
    assert business.names() == ["attempt 2"]

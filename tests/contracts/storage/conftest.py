from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from floworch.core.ports.storage import Storage
from tests.contracts.storage.backends import WAYS, Backend, is_required
from tests.contracts.storage.builders import StillClock


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture(params=WAYS, ids=lambda kind: kind.name + kind.variant)
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    kind: type[Backend] = request.param
    reason = kind.why_absent()
    if reason is not None:
        if is_required(kind.name):
            pytest.fail(f"FLOWORCH_REQUIRE asks for {kind.name}, but {reason}")
        pytest.skip(f"{kind.name}: {reason}")
    database = kind(tmp_path)
    if "lease_clock" in request.fixturenames:
        database.count_leases_on_clock()
    yield database
    database.drop()


@pytest.fixture
async def storage(backend: Backend, clock: StillClock) -> AsyncIterator[Storage]:
    """An open, empty store."""
    store = backend.make(clock)
    await store.open()
    yield store
    await store.close()


@pytest.fixture
async def neighbour(storage: Storage, backend: Backend, clock: StillClock) -> AsyncIterator[Storage]:
    """A second store on the same database, as another process would have it."""
    if not storage.capabilities.shared_between_processes:
        pytest.skip(f"{backend.name} is not shared between processes")
    store = backend.make(clock)
    await store.open()
    yield store
    await store.close()


@pytest.fixture
def lease_clock(clock: StillClock) -> StillClock:
    """The clock, and moving it makes leases run out."""
    return clock

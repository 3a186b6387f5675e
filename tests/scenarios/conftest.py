from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from floworch import FlowManifest, FlowOrchestrator
from tests.contracts.storage.backends import BACKENDS, Backend, is_required
from tests.scenarios.world import HANDLERS, World, flow_of

Start = Callable[..., Any]


@pytest.fixture(params=BACKENDS, ids=lambda kind: kind.name)
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    kind: type[Backend] = request.param
    reason = kind.why_absent()
    if reason is not None:
        if is_required(kind.name):
            pytest.fail(f"FLOWORCH_REQUIRE asks for {kind.name}, but {reason}")
        pytest.skip(f"{kind.name}: {reason}")
    database = kind(tmp_path)
    yield database
    database.drop()


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
async def start(backend: Backend, world: World) -> AsyncIterator[Start]:
    """Start an orchestrator on the backend with one flow of the given manifest. All are stopped at the end."""
    async with AsyncExitStack() as stack:

        async def start_one(manifest: FlowManifest, **settings: Any) -> FlowOrchestrator:
            builder = FlowOrchestrator.builder().use_storage(backend.make).use_asyncio_runtime(concurrency=16)
            builder.add_flow(flow_of(manifest)).add_handlers(*HANDLERS).add_service(world)
            settings = {"poll_interval_seconds": 0.05, "cancel_grace_seconds": 0.05, "drain_seconds": 0.1} | settings
            return await stack.enter_async_context(builder.configure(**settings).build())

        yield start_one

from __future__ import annotations

from collections.abc import Callable

import pytest

from floworch.core.ports.runtime import Runtime
from floworch.runtimes.asyncio import AsyncioRuntime

RUNTIMES: dict[str, Callable[[int], Runtime]] = {"asyncio": AsyncioRuntime}
"""Runtimes that run steps in this process, made with a number of slots. To add one, add it here."""


@pytest.fixture(params=list(RUNTIMES.values()), ids=list(RUNTIMES))
def make_runtime(request: pytest.FixtureRequest) -> Callable[[int], Runtime]:
    make: Callable[[int], Runtime] = request.param
    return make

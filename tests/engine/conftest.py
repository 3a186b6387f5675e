"""Engine tests run on virtual time: waiting for an hour costs nothing, and times are exact."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from floworch.testing.loop import VirtualTimeLoop

_HERE = Path(__file__).parent


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]] | None:
    if not item.path.is_relative_to(_HERE):
        return None
    is_real = item.get_closest_marker("real_time") is not None
    return {"real": asyncio.new_event_loop} if is_real else {"virtual": VirtualTimeLoop}

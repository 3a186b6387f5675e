"""Ctrl-C and SIGTERM: the first one asks to stop, the second one ends the process."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from types import FrameType
from typing import Any

from floworch.cli.exits import ExitCode

__all__ = ["StopRequests"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequests:
    """While it is entered, on the running event loop: :meth:`wait` returns at the first signal.

    The second one quits at once, also when a handler's thread does not end; its lease expires and another worker takes
    the step.
    """

    def __init__(self) -> None:
        self._asked = asyncio.Event()
        self._before: dict[signal.Signals, Any] = {}

    @property
    def asked(self) -> bool:
        return self._asked.is_set()

    async def wait(self) -> None:
        await self._asked.wait()

    def __enter__(self) -> StopRequests:
        loop = asyncio.get_running_loop()

        def ask(_number: int, _frame: FrameType | None) -> None:
            # Not loop.add_signal_handler: Windows has none.
            if self._asked.is_set():
                _quit()
            self._asked.set()
            loop.call_soon_threadsafe(lambda: None)

        self._before = {number: signal.signal(number, ask) for number in _SIGNALS}
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


def _quit() -> None:
    sys.stderr.write("floworch: quitting at once; steps under way are taken over when their leases expire\n")
    sys.stderr.flush()
    os._exit(ExitCode.INTERRUPTED)

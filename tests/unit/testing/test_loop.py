from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from floworch.testing.clock import VirtualClock
from floworch.testing.loop import Stuck, VirtualTimeLoop


def run(work: Coroutine[Any, Any, Any], loop: VirtualTimeLoop | None = None) -> Any:
    with asyncio.Runner(loop_factory=lambda: loop or VirtualTimeLoop()) as runner:
        return runner.run(work)


def test_time_jumps_to_the_next_timer_in_order() -> None:
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        woken.append((name, asyncio.get_running_loop().time()))

    async def main() -> None:
        await asyncio.gather(sleeper("year", 365 * 86_400), sleeper("hour", 3600), sleeper("soon", 0.001))

    run(main())
    assert woken == [("soon", 0.001), ("hour", 3600), ("year", 365 * 86_400)]


def test_the_clock_shows_the_time_of_the_loop_and_waits_on_it() -> None:
    start = datetime(2031, 5, 6, tzinfo=UTC)

    async def main() -> tuple[bool, datetime, bool]:
        clock = VirtualClock(asyncio.get_running_loop(), start)
        event = asyncio.Event()
        came = await clock.wait(event, 90)
        event.set()
        return came, clock.now(), await clock.wait(event, 90)

    assert run(main()) == (False, start + timedelta(seconds=90), True)


def test_waiting_for_the_next_microsecond_of_the_clock_takes_time() -> None:
    async def main() -> list[datetime]:
        loop = asyncio.get_running_loop()
        clock = VirtualClock(loop, datetime(2031, 1, 1, tzinfo=UTC))
        await asyncio.sleep(1234.5)
        shown = [clock.now()]
        for _ in range(100):
            await asyncio.sleep(1e-6)
            shown.append(clock.now())
        return shown

    shown = run(main())
    assert all(later > earlier for earlier, later in pairwise(shown))


def test_a_loop_on_which_nothing_can_happen_any_more_says_so() -> None:
    loop = VirtualTimeLoop(patience_seconds=0.0)
    with pytest.raises(Stuck):
        loop.run_until_complete(loop.create_future())
    loop.close()


def test_time_stands_still_while_a_thread_works_for_the_loop() -> None:
    working = threading.Event()
    working.set()
    loop = VirtualTimeLoop(is_busy_outside=working.is_set)

    async def main() -> float:
        done = asyncio.Event()

        def work() -> None:
            loop.call_soon_threadsafe(done.set)
            working.clear()

        timer = loop.call_later(3600, done.set)
        thread = threading.Thread(target=work)
        thread.start()
        await done.wait()
        thread.join()
        timer.cancel()
        return loop.time()

    assert run(main(), loop) == 0.0

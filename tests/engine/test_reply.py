from __future__ import annotations

import asyncio

import pytest

from floworch.core.engine.reply import Reply


async def test_who_waits_gets_what_is_told() -> None:
    reply: Reply[int] = Reply()
    waiting = asyncio.create_task(reply.get())
    await asyncio.sleep(0)
    reply.tell(7)
    assert await waiting == await reply.get() == 7


async def test_an_error_is_raised_or_looked_at() -> None:
    reply: Reply[int] = Reply()
    reply.tell_error(error := ValueError("no"))
    with pytest.raises(ValueError, match="no"):
        await reply.get()
    assert await reply.error() is error


async def test_who_gave_up_waiting_may_begin_again() -> None:
    reply: Reply[int] = Reply()
    waiting = asyncio.create_task(reply.get())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert not reply.is_over
    reply.tell(7)
    assert await reply.get() == 7


class Ear:
    def __init__(self) -> None:
        self.heard: list[object] = []

    def answered(self, reply: Reply[int]) -> None:
        try:
            self.heard.append(reply.answer())
        except ValueError as error:
            self.heard.append(error)


async def test_the_listener_hears_of_it_before_who_waits_goes_on() -> None:
    ear, error = Ear(), ValueError("no")
    reply = Reply[int](ear)
    waiting = asyncio.create_task(reply.get())
    await asyncio.sleep(0)
    reply.tell(7)
    assert (ear.heard, waiting.done()) == ([7], False)
    assert await waiting == 7
    Reply[int](ear).tell_error(error)
    assert ear.heard == [7, error]

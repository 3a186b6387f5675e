"""Where a handler gets no transaction."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from floworch.core.handlers.transactions import AttemptTransaction
from floworch.core.model.rows import Rows
from floworch.errors import ConfigurationError, StorageError
from tests.unit.core.handlers.support import context


class Lent:
    """A transaction that only remembers whether it was undone."""

    def __init__(self) -> None:
        self.has_begun = False
        self.was_in_the_way = False
        self.is_undone = False

    async def execute(self, statement: Any, parameters: Any = None) -> Rows:
        self.has_begun = True
        return Rows([statement], 1)

    async def run(self, work: Any) -> Any:
        return work(self)

    async def rollback(self) -> None:
        self.is_undone = True


async def attempt_of(lent: Lent) -> AttemptTransaction:
    async def begin() -> Lent:
        return lent

    return AttemptTransaction("step", begin, asyncio.get_running_loop())


def test_a_handler_in_another_process_has_none() -> None:
    with pytest.raises(ConfigurationError, match="executor='thread'"):
        context().transaction()


async def test_a_transaction_that_was_used_is_kept_when_the_attempt_succeeds() -> None:
    lent = Lent()
    attempt = await attempt_of(lent)
    async with attempt.ask() as tx:
        assert await tx.execute("SELECT 1") == ["SELECT 1"]
    assert await attempt.end(keep=True) is lent
    assert not lent.is_undone


@pytest.mark.parametrize(("uses", "keep"), [(True, False), (False, True), (False, False)])
async def test_a_transaction_that_is_not_needed_is_undone(uses: bool, keep: bool) -> None:
    lent = Lent()
    attempt = await attempt_of(lent)
    async with attempt.ask() as tx:
        if uses:
            await tx.execute("SELECT 1")
    assert await attempt.end(keep=keep) is None
    assert lent.is_undone


async def test_an_attempt_without_a_transaction_has_nothing_to_end() -> None:
    lent = Lent()
    assert await (await attempt_of(lent)).end(keep=True) is None
    assert not lent.is_undone


async def test_nothing_begins_once_the_attempt_is_over() -> None:
    lent = Lent()
    attempt = await attempt_of(lent)
    block = attempt.ask()
    await attempt.end(keep=False)
    with pytest.raises(StorageError, match="is over"):
        await block.__aenter__()


async def test_a_block_is_entered_once() -> None:
    attempt = await attempt_of(Lent())
    block = attempt.ask()
    async with block:
        with pytest.raises(StorageError, match="open already"):
            await block.__aenter__()


@pytest.mark.parametrize("closes", [True, False])
async def test_a_transaction_that_begins_when_the_attempt_is_over_is_undone(closes: bool) -> None:
    lent, may_begin = Lent(), asyncio.Event()

    async def begin() -> Lent:
        await may_begin.wait()
        return lent

    attempt = AttemptTransaction("step", begin, asyncio.get_running_loop())
    entering = asyncio.create_task(attempt.ask().__aenter__())
    await asyncio.sleep(0)
    if closes:
        assert attempt.close()
    else:
        assert await attempt.end(keep=True) is None
    may_begin.set()

    with pytest.raises(StorageError, match="is over"):
        await entering
    assert lent.is_undone


async def test_a_transaction_that_was_begun_has_to_be_ended() -> None:
    attempt = await attempt_of(Lent())
    async with attempt.ask():
        assert not attempt.close()

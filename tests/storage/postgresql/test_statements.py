"""The number of statements of a commit does not grow with what it commits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import URL, event

from floworch.core.model.payload import Payload
from floworch.core.model.status import StepStatus
from floworch.core.ports.storage import Batch, LeaseKey
from floworch.storage.sql import SqlStorage
from floworch.storage.sql.dialects.postgresql import PostgresqlDialect
from floworch.storage.sql.pipe import Answer, Order, Pipe, Pipes
from tests.contracts.storage.builders import (
    START,
    WORKER,
    advance,
    claim,
    creation,
    insert,
    overwrite,
    run_id,
    state,
)

MANY = 200
LONG = Payload(f'"{"x" * 20_000}"')
_BEFORE = {1: StepStatus.PENDING, 2: StepStatus.READY}
READY, RUNNING = state(), state(StepStatus.RUNNING, 1, owner=WORKER)


@pytest.fixture(params=[True, False], ids=["on the event loop", "on threads"])
async def store(database: URL, request: pytest.FixtureRequest) -> AsyncIterator[SqlStorage]:
    store = SqlStorage(database, dialect=PostgresqlDialect(commits_on_loop=request.param))
    await store.open()
    yield store
    await store.close()


class CountingPipe(Pipe):
    def __init__(self, pipe: Pipe, texts: list[str]) -> None:
        self.pipe = pipe
        self._texts = texts

    async def exchange(self, orders: Sequence[Order]) -> list[Answer]:
        self._texts.append("round trip")
        self._texts.extend(order.text for order in orders)
        return await self.pipe.exchange(orders)

    async def transact(self, orders: Sequence[Order]) -> None:
        self._texts.append("round trip")
        self._texts.extend(order.text for order in orders)
        await self.pipe.transact(orders)


class CountingPipes(Pipes):
    def __init__(self, pipes: Pipes, texts: list[str]) -> None:
        self.most, self.errors, self.can_transact = pipes.most, pipes.errors, pipes.can_transact
        self._pipes = pipes
        self._texts = texts

    async def take(self) -> Pipe | None:
        pipe = await self._pipes.take()
        return None if pipe is None else CountingPipe(pipe, self._texts)

    def give_back(self, pipe: Pipe) -> None:
        assert isinstance(pipe, CountingPipe)
        self._pipes.give_back(pipe.pipe)

    async def close(self) -> None:
        await self._pipes.close()


@contextmanager
def counted(store: SqlStorage) -> Iterator[list[str]]:
    """The statements that are executed inside, and on the event loop the round trips."""
    texts: list[str] = []
    express = store._express
    if express is not None:
        store._express = replace(express, pipes=CountingPipes(express.pipes, texts))

    def note(_connection: object, _cursor: object, text: str, *_: Any) -> None:
        texts.append(text)

    engine = store._open_session.transactions._engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield texts
    finally:
        event.remove(engine, "before_cursor_execute", note)
        store._express = express


async def statements_of(store: SqlStorage, batch: Batch) -> int:
    needs_answers = batch.claims or any(each.facts_of_run.idempotency_key for each in batch.creations)
    with counted(store) as texts:
        result = await store.commit(batch)
    assert {outcome.value for outcome in (*result.advances, *result.claims)} <= {"done"}
    assert texts.count("round trip") == ((2 if needs_answers else 1) if store._express else 0)
    return len([text for text in texts if text not in ("round trip", "BEGIN", "COMMIT")])


def creations(first: int, count: int) -> Batch:
    """Each with a key, a long body and two steps."""
    steps = {"a": insert(READY), "b": insert(RUNNING, lease_seconds=30.0)}
    numbers = range(first, first + count)
    return Batch(creations=[creation(n, key=f"k{n}", body=LONG, steps=dict(steps)) for n in numbers])


def advances(first: int, count: int) -> Batch:
    """Each ends a step with a long output, adds another one and settles an iteration."""
    done = overwrite((StepStatus.RUNNING, 1), state(StepStatus.SUCCEEDED, 1), output=LONG)
    steps = {"b": done, "c": insert(READY)}
    facts = [{"type": "step.completed"}]
    return Batch(
        advances=[advance(n, 1, dict(steps), facts=facts, settled=["loop.0"]) for n in range(first, first + count)]
    )


def claims(first: int, count: int) -> Batch:
    return Batch(claims=[claim(n) for n in range(first, first + count)])


async def test_a_commit_of_many_takes_as_many_statements_as_one_of_one(store: SqlStorage) -> None:
    found: dict[str, tuple[int, int]] = {}
    for make in (creations, claims, advances):
        of_one = await statements_of(store, make(0, 1))
        found[make.__name__] = (of_one, await statements_of(store, make(1, MANY)))
    # Creations: key, run, steps, old payloads, payloads, events. Advances: the revision, changed steps, new ones, the
    # iteration, old payloads, payloads, events. Claims: steps, events.
    assert found == {"creations": (6, 6), "claims": (2, 2), "advances": (7, 7)}


async def test_what_one_transaction_of_a_chain_takes(store: SqlStorage) -> None:
    """A step ends and its successor starts."""
    await store.commit(Batch(creations=[creation(1, steps={"a": insert(RUNNING, lease_seconds=30.0)})]))
    done = overwrite((StepStatus.RUNNING, 1), state(StepStatus.SUCCEEDED, 1, ended_at=START))
    started = insert(RUNNING, lease_seconds=30.0)
    step = advance(1, 1, {"a": done, "b": started}, facts=[{"type": "step.completed"}, {"type": "step.started"}])
    assert await statements_of(store, Batch(advances=[step])) == 4


async def test_columns_that_few_rows_need_are_written_when_one_of_them_does(store: SqlStorage) -> None:
    await store.commit(creations(1, 2))
    waiting = state(StepStatus.PENDING, due_at=START, reason="not yet")
    first = [advance(1, 1, {"a": overwrite((StepStatus.READY, 0), waiting)}), advance(2, 1, {})]
    again = [advance(n, 2, {"a": overwrite((status, 0), READY)}) for n, status in _BEFORE.items()]
    for changes, wanted in ((first, [waiting, READY]), (again, [READY, READY])):
        with counted(store) as texts:
            await store.commit(Batch(advances=changes))
        runs = await store.load([run_id(1), run_id(2)])
        assert [runs[run_id(n)].steps["a"] for n in (1, 2)] == wanted
        assert any('"due_at" = NULL' in text for text in texts) == (changes is again)


async def test_many_leases_are_renewed_as_one(store: SqlStorage) -> None:
    await store.commit(creations(0, MANY))
    counts = []
    for number in (1, MANY):
        with counted(store) as texts:
            states = await store.renew(WORKER, {LeaseKey(run_id(n), "b", 1): 30.0 for n in range(number)})
        assert {each.value for each in states.values()} == {"held"}
        counts.append(len(texts))
    assert counts == [2, 2]


async def test_many_runs_are_loaded_as_one(store: SqlStorage) -> None:
    await store.commit(creations(0, MANY))
    counts = []
    for number in (1, MANY):
        with counted(store) as texts:
            assert len(await store.load([run_id(n) for n in range(number)])) == number
        counts.append(len(texts))
    assert counts == [3, 3]

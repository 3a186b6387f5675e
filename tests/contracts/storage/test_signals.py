"""Signals come with the commit that received them, and are taken once."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa

from floworch.core.machine.mailbox import Letter, ReceivedSignal, TakenBy, signal_ref
from floworch.core.model.payload import Payload
from floworch.core.model.status import RunStatus
from floworch.core.ports.storage import Batch, Outcome, Storage
from floworch.errors import ConfigurationError
from tests.contracts.storage.backends import Backend
from tests.contracts.storage.builders import START, advance, commit_advance, create, creation, run_id

LATER = START + timedelta(seconds=1)
LONG = f'"{"x" * 100_000}"'


def signal(number: int, name: str = "go", payload: str = "1", key: str | None = None) -> ReceivedSignal:
    return ReceivedSignal(Letter(UUID(int=number), number, name, key), Payload(payload))


async def letters(storage: Storage, number: int = 1) -> list[Letter]:
    stored = (await storage.load([run_id(number)]))[run_id(number)]
    return sorted(stored.signals, key=lambda letter: letter.number)


async def test_a_run_that_has_received_nothing_has_no_signals(storage: Storage) -> None:
    await create(storage)
    assert await letters(storage) == []
    assert await storage.list_signals(run_id(1)) == []
    assert await storage.list_signals(run_id(9)) == []


async def test_signals_are_loaded_with_their_run_and_payloads_by_reference(storage: Storage) -> None:
    await create(storage, creation(1), creation(2), creation(3))
    await commit_advance(storage, advance(1, 1, signals=[signal(1, "Größe", LONG, "key"), signal(2, "go", "null")]))
    await commit_advance(storage, advance(3, 1, signals=[signal(1)]))
    assert await letters(storage) == [Letter(UUID(int=1), 1, "Größe", "key"), Letter(UUID(int=2), 2, "go")]
    assert await letters(storage, 2) == []
    refs = [signal_ref(UUID(int=number)) for number in (1, 2, 3)]
    found = await storage.load_payloads(run_id(1), refs)
    assert found == dict(zip(refs, [Payload(LONG), Payload("null"), None], strict=True))


async def test_a_signal_that_was_taken_says_by_which_attempt(storage: Storage) -> None:
    await create(storage)
    await commit_advance(storage, advance(1, 1, signals=[signal(1, payload='{"a":1}'), signal(2)]))
    await commit_advance(storage, advance(1, 2, taken={UUID(int=1): TakenBy("a", 3)}, at=LATER))
    assert [letter.taken_by for letter in await letters(storage)] == ["a", None]
    taken, kept = await storage.list_signals(run_id(1))
    assert (taken.number, taken.name, taken.payload, taken.received_at) == (1, "go", {"a": 1}, START)
    assert (taken.taken_by, taken.taken_attempt, taken.taken_at) == ("a", 3, LATER)
    assert (kept.taken_by, kept.taken_attempt, kept.taken_at) == (None, None, None)


async def test_a_signal_may_be_taken_by_the_commit_that_receives_it(storage: Storage) -> None:
    await create(storage)
    change = advance(1, 1, signals=[signal(1)], taken={UUID(int=1): TakenBy("loop.0.a", 1)})
    assert await commit_advance(storage, change) is Outcome.DONE
    assert [letter.taken_by for letter in await letters(storage)] == ["loop.0.a"]


async def test_a_commit_that_conflicts_receives_nothing(storage: Storage) -> None:
    await create(storage, creation(1), creation(2))
    lost, won = advance(1, 7, signals=[signal(1)]), advance(2, 1, signals=[signal(1)])
    result = await storage.commit(Batch(advances=[lost, won]))
    assert result.advances == [Outcome.CONFLICT, Outcome.DONE]
    assert await letters(storage) == []
    assert len(await letters(storage, 2)) == 1


async def test_many_runs_receive_signals_in_one_commit(storage: Storage) -> None:
    await create(storage, *(creation(number) for number in range(1, 21)))
    batch = Batch(advances=[advance(number, 1, signals=[signal(1), signal(2)]) for number in range(1, 21)])
    assert (await storage.commit(batch)).advances == [Outcome.DONE] * 20
    stored = await storage.load([run_id(number) for number in range(1, 21)])
    assert [len(run.signals) for run in stored.values()] == [2] * 20


async def test_signals_go_with_their_run(storage: Storage) -> None:
    await create(storage)
    ended = advance(1, 1, signals=[signal(1)], status=RunStatus.SUCCEEDED, ended_at=LATER)
    await commit_advance(storage, ended)
    assert (await storage.delete_runs(LATER + timedelta(days=1), 10, START)).runs == 1
    assert await storage.list_signals(run_id(1)) == []


async def test_a_run_can_be_loaded_and_advanced_in_the_transaction_of_a_caller(
    storage: Storage, backend: Backend
) -> None:
    if not storage.capabilities.transactions:
        with pytest.raises(ConfigurationError):
            await storage.load_enlisted(object(), run_id(1))
        return
    await create(storage)
    engine = sa.create_engine(backend.application_url)
    with engine.connect() as connection:
        for revision in (1, 2):
            found = await storage.load_enlisted(connection, run_id(1), [signal_ref(UUID(int=1))])
            assert found is not None
            stored, payloads = found
            assert (stored.revision, len(stored.signals)) == (revision, revision - 1)
            assert payloads[signal_ref(UUID(int=1))] == (None if revision == 1 else Payload("1"))
            batch = Batch(advances=[advance(1, revision, signals=[signal(revision)])])
            assert (await storage.enlist(connection, batch)).advances == [Outcome.DONE]
        stale = Batch(advances=[advance(1, 1, signals=[signal(9)])])
        assert (await storage.enlist(connection, stale)).advances == [Outcome.CONFLICT]
        assert await storage.load_enlisted(connection, run_id(9)) is None
        assert await letters(storage) == []
        connection.commit()
    engine.dispose()
    assert [letter.number for letter in await letters(storage)] == [1, 2]

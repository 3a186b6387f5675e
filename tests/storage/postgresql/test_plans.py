"""With a long past and a busy present in the tables, the store still looks only at the rows that a statement is about.

Twice: when the server does not know yet that so much is going on, because its statistics are from a quiet time, and
when it does. And commits look at few rows even when the server has made its plans for empty tables and knows nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import URL

from floworch.core.model.limits import Limit, Quota, type_limit
from floworch.core.model.payload import Payload, PayloadKind, PayloadRef
from floworch.core.model.status import RunStatus, StepStatus
from floworch.core.ports.storage import Batch, LeaseKey, RunFilter
from floworch.storage.sql import SqlStorage
from floworch.storage.sql.cursor import Cursor
from tests.contracts.storage.builders import (
    FLOW,
    WORKER,
    advance,
    claim,
    creation,
    flow,
    insert,
    overwrite,
    run_id,
    state,
)
from tests.servers import postgresql
from tests.storage.postgresql import million
from tests.storage.postgresql.databases import conninfo, opened
from tests.storage.postgresql.plans import LARGE_TABLES, Executed, explaining, watched

ACTIVE = 30_000
OFTEN = 8
"""Times that a verb is called: the server makes a plan for all values only at the sixth."""
FEW_BLOCKS = 200
"""For a statement about one row or one page of a list. Reading one of the tables takes at least 10,000."""
LOOKING_UP = 1_000
"""For a page of which each row has to be found, or compared with a step, by itself."""
FAILURES = 6_000
"""For looking through all that has failed."""
COUNTING = 3_000
"""For counting what goes on at present, however long the past."""
NOW = datetime.now(UTC)
MIDDLE = million.RUNS // 2
IN_THE_MIDDLE, AN_HOUR_LATER, TWO_DAYS_LATER, LATELY = (
    million.past_run(number)[1] for number in (MIDDLE, MIDDLE + 120, MIDDLE + 5760, million.RUNS - 200)
)
FAILED = frozenset({RunStatus.FAILED})
RUNNING = frozenset({RunStatus.RUNNING})
KIND = {"kind": "import"}
TENANT = {"tenant": million.tenant(MIDDLE)}
LIMITED = Quota(type_limit("Work"))
TROUBLE = frozenset({RunStatus.FAILED, RunStatus.CANCELLED})
Verb = Callable[[SqlStorage, int], Awaitable[object]]


@pytest.fixture(scope="module")
def past(server: URL) -> Iterator[URL]:
    url = postgresql.create_database(server)
    try:
        with psycopg.connect(conninfo(explaining(url)), autocommit=True):
            pass
    except psycopg.Error as error:
        pytest.skip(f"the server cannot explain its statements: {error}")
    asyncio.run(SqlStorage.postgresql(url).schema.migrate())
    _never_tidy(url)
    with psycopg.connect(conninfo(url), autocommit=True) as admin:
        million.fill(admin)
        million.begin(admin, ACTIVE)
    yield url
    with psycopg.connect(conninfo(server), autocommit=True) as admin:
        admin.execute(f'DROP DATABASE "{url.database}" WITH (FORCE)'.encode())


def _never_tidy(database: URL) -> None:
    """Only the tests say when statistics are collected."""
    with psycopg.connect(conninfo(database), autocommit=True) as admin:
        for table in LARGE_TABLES:
            admin.execute(f"ALTER TABLE floworch.{table} SET (autovacuum_enabled = off)".encode())


@pytest.fixture(scope="module", params=["in a rush", "as usual"])
def busy(request: pytest.FixtureRequest, past: URL) -> int:
    """0 while the server knows of no active run, 1 when it knows."""
    if request.param == "in a rush":
        return 0
    with psycopg.connect(conninfo(past), autocommit=True) as admin:
        admin.execute("ANALYZE")
    return 1


@pytest.fixture
async def store(past: URL) -> AsyncIterator[SqlStorage]:
    store = SqlStorage.postgresql(explaining(past), pool_size=3)
    await store.open()
    yield store
    await store.close()


@pytest.fixture
def executed() -> Iterator[list[Executed]]:
    with watched() as found:
        yield found


async def _create(store: SqlStorage, turn: int) -> object:
    number = 2 * ACTIVE + turn
    return await store.commit(Batch(creations=[creation(number, key=f"new-{number}", started_at=NOW)]))


async def _create_with_tags(store: SqlStorage, turn: int) -> object:
    new = creation(4 * ACTIVE + turn, started_at=NOW)
    new.facts_of_run = replace(new.facts_of_run, tags={"kind": "import", "tenant": "new"})
    return await store.commit(Batch(creations=[new]))


async def _create_again(store: SqlStorage, turn: int) -> object:
    again = creation(3 * ACTIVE + turn, key=f"key-{MIDDLE}", flow_id=million.past_flow(MIDDLE))
    result = await store.commit(Batch(creations=[again]))
    assert result.creations == [million.past_run(MIDDLE)[0]]
    return result


async def _advance(store: SqlStorage, turn: int) -> object:
    step = {"a": overwrite((StepStatus.RUNNING, 1), state(StepStatus.RUNNING, 1, owner=WORKER), lease_seconds=60.0)}
    follower = {f"b{turn}": insert(state())}
    # A run for each state of the statistics: the tests about them may be on different processes.
    number, revision = (1, turn + 1) if turn < OFTEN else (13, turn - OFTEN + 1)
    change = advance(number, revision, step | follower, facts=[{"type": "step.ready"}], settled=["a.0"])
    result = await store.commit(Batch(advances=[change]))
    assert [outcome.value for outcome in result.advances] == ["done"]
    return result


async def _lose(store: SqlStorage, turn: int) -> object:
    result = await store.commit(Batch(advances=[advance(2, 999, {"a": overwrite((StepStatus.PENDING, 0), state())})]))
    assert [outcome.value for outcome in result.advances] == ["conflict"]
    return result


async def _claim(store: SqlStorage, turn: int) -> object:
    result = await store.commit(Batch(claims=[claim(3 * (turn + 1))]))
    assert [outcome.value for outcome in result.claims] == ["done"]
    return result


async def _claim_what_is_limited(store: SqlStorage, turn: int) -> object:
    await store.save_limits({LIMITED.limit: Limit(concurrency=10 * ACTIVE)}, known=())
    limited = claim(ACTIVE // 2 + 3 * (turn + 1), quotas=(LIMITED,))
    result = await store.commit(Batch(claims=[limited]))
    assert [outcome.value for outcome in result.claims] == ["done"]
    return result


async def _limit_use(store: SqlStorage, turn: int) -> object:
    await store.save_limits({LIMITED.limit: Limit(concurrency=10 * ACTIVE)}, known=())
    use = await store.limit_use(waiting=True)
    assert sum(use.running.values()) > ACTIVE // 4
    assert sum(use.waiting.values()) > ACTIVE // 4
    return use


async def _versions(store: SqlStorage, turn: int) -> object:
    await store.save_flows([flow()])
    return await store.list_versions(frozenset({FLOW}))


async def _due_notices(store: SqlStorage, turn: int) -> object:
    found = await store.due_notices(NOW, 20, frozenset(map(million.past_flow, range(8))))
    assert len(found.due) == 20
    return found


async def _move_notice(store: SqlStorage, turn: int) -> object:
    number = million.RUNS - 1000 + turn
    run, started_at = million.past_run(number)
    is_moved = await store.move_notice(run, started_at + timedelta(seconds=2), NOW, 1)
    assert is_moved
    return is_moved


async def _load_payloads(store: SqlStorage, turn: int) -> object:
    refs = [PayloadRef(PayloadKind.BODY), PayloadRef(PayloadKind.OUTPUT, "a"), PayloadRef(PayloadKind.ITEMS, "a")]
    return await store.load_payloads(million.past_run(MIDDLE + turn)[0], refs)


async def _renew(store: SqlStorage, turn: int) -> object:
    return await store.renew(WORKER, {LeaseKey(run_id(n), "a", 1): 60.0 for n in (4, 7, 10)})


def page(where: RunFilter, after: int | None = None, runs: int = 50) -> Verb:
    """The first page of a list, or the one after a run of the past, which has so many runs at least."""
    cursor = None if after is None else str(_cursor(*million.past_run(after)))

    async def verb(store: SqlStorage, turn: int) -> object:
        found = await store.list_runs(where, 50, cursor)
        assert len(found.runs) >= runs
        return found

    return verb


def _cursor(run: UUID, started_at: datetime) -> Cursor:
    return Cursor(started_at, run)


FLOW_OF_MIDDLE = million.past_flow(MIDDLE)
VERBS: dict[str, Verb] = {
    "create": _create,
    "create with a key that is taken": _create_again,
    "advance": _advance,
    "advance and lose": _lose,
    "claim": _claim,
    "renew": _renew,
    "due": lambda store, turn: store.due(NOW, 100),
    "is any lease held": lambda store, turn: store.is_any_lease_held(),
    "ready": lambda store, turn: store.ready(10, frozenset({"Work"}), frozenset({FLOW, FLOW_OF_MIDDLE})),
    "load": lambda store, turn: store.load([million.past_run(MIDDLE + turn)[0], run_id(turn)]),
    "load the steps of an iteration": lambda store, turn: store.load_iteration_steps(run_id(turn), "a.0."),
    "load payloads": _load_payloads,
    "load outputs": lambda store, turn: store.load_outputs(million.past_run(MIDDLE + turn)[0], "a"),
    "get a run": lambda store, turn: store.get_run(million.past_run(MIDDLE + turn)[0]),
    "find a key": lambda store, turn: store.find_run_by_key(million.past_flow(turn), f"key-{turn}"),
    "list steps": lambda store, turn: store.list_steps(million.past_run(MIDDLE + turn)[0], payloads=True),
    "list some steps": lambda store, turn: store.list_steps(
        million.past_run(MIDDLE + turn)[0], keys=frozenset({"a", "b"})
    ),
    "list events": lambda store, turn: store.list_events(million.past_run(MIDDLE + turn)[0]),
    "first page": page(RunFilter()),
    "deep page": page(RunFilter(), MIDDLE),
    "first page of a flow": page(RunFilter(flow_id=FLOW_OF_MIDDLE)),
    "deep page of a flow": page(RunFilter(flow_id=FLOW_OF_MIDDLE), MIDDLE),
    "first page of a status": page(RunFilter(statuses=FAILED)),
    "deep page of a status": page(RunFilter(statuses=FAILED), MIDDLE),
    "first page of two statuses": page(RunFilter(statuses=TROUBLE)),
    "deep page of two statuses": page(RunFilter(statuses=TROUBLE), MIDDLE),
    "first page of a flow and a status": page(RunFilter(flow_id=FLOW_OF_MIDDLE, statuses=FAILED)),
    "deep page of a flow and two statuses": page(RunFilter(flow_id=FLOW_OF_MIDDLE, statuses=TROUBLE), MIDDLE),
    "page of an hour": page(RunFilter(started_from=IN_THE_MIDDLE, started_before=AN_HOUR_LATER)),
    "suspended runs": page(RunFilter(suspended=True)),
    "runs made from a run": page(RunFilter(source_run_id=million.past_run(MIDDLE)[0])),
    "children of a run": page(RunFilter(parent_run_id=million.past_run(MIDDLE)[0])),
    "due notices": _due_notices,
    "move a notice": _move_notice,
    "ready, passing over keys": lambda store, turn: store.ready(
        10, frozenset({"Work"}), frozenset({FLOW}), {FLOW: ["a", "b"]}, frozenset({"another"})
    ),
    "delete": lambda store, turn: store.delete_runs(million.past_run(100)[1], 5, NOW),
    "delete nothing": lambda store, turn: store.delete_runs(million.FIRST_START, 5, million.FIRST_START),
}
LARGER: dict[str, tuple[Verb, int]] = {
    "create with tags": (_create_with_tags, LOOKING_UP),
    "first page of a tag": (page(RunFilter(tags=KIND)), LOOKING_UP),
    "deep page of a tag": (page(RunFilter(tags=KIND), MIDDLE), LOOKING_UP),
    "first page of two tags": (page(RunFilter(tags=TENANT | KIND)), LOOKING_UP),
    "deep page of two tags": (page(RunFilter(tags=TENANT | KIND), MIDDLE, runs=40), LOOKING_UP),
    "those of a tag that failed in two days": (
        page(
            RunFilter(statuses=FAILED, tags=KIND, started_from=IN_THE_MIDDLE, started_before=TWO_DAYS_LATER), runs=0),
        COUNTING,
    ),
    "first page of an error": (page(RunFilter(statuses=FAILED, error="DECLINED")), FAILURES),
    "deep page of an error": (page(RunFilter(statuses=FAILED, error="declined"), MIDDLE), FAILURES),
    "errors of an hour": (
        page(
            RunFilter(error="declined", started_from=IN_THE_MIDDLE, started_before=AN_HOUR_LATER), runs=0),
        LOOKING_UP,
    ),
    "those that ended before": (page(RunFilter(ended_before=IN_THE_MIDDLE)), LOOKING_UP),
    "those that failed before": (page(RunFilter(statuses=FAILED, ended_before=IN_THE_MIDDLE)), LOOKING_UP),
    "those that failed lately": (page(RunFilter(statuses=FAILED, ended_from=LATELY), runs=0), COUNTING),
    "those that failed in an hour": (
        page(RunFilter(statuses=FAILED, ended_from=IN_THE_MIDDLE, ended_before=AN_HOUR_LATER), runs=0), LOOKING_UP,
    ),
    "suspended runs of a flow": (page(RunFilter(suspended=True, flow_id=FLOW, statuses=RUNNING)), COUNTING),
    "versions": (_versions, COUNTING),
    "use of limits": (_limit_use, COUNTING),
    "claim what is limited": (_claim_what_is_limited, COUNTING),
}  # fmt: skip
ALL = {name: (verb, FEW_BLOCKS) for name, verb in VERBS.items()} | LARGER


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
async def test_only_rows_that_matter_are_looked_at(
    busy: int, executed: list[Executed], store: SqlStorage, name: str, record_figure: Callable[[str], None]
) -> None:
    executed.clear()
    verb, most_blocks = ALL[name]
    for turn in range(OFTEN):
        await verb(store, turn + OFTEN * busy)
    assert executed
    record_figure(f"a million runs, {name}: {max(each.blocks for each in executed)} blocks at most")
    assert [str(each) for each in executed if each.full_scans or each.blocks > most_blocks] == []


YOUNG = 2_000
LONG = Payload(f'"{"x" * 20_000}"')


async def _live(store: SqlStorage, first: int, runs: int = 1) -> None:
    """Runs that begin, whose step is claimed, and that go on."""
    numbers = range(first, first + runs)
    done = {"a": overwrite((StepStatus.RUNNING, 1), state(StepStatus.SUCCEEDED, 1), output=LONG), "b": insert(state())}
    result = await store.commit(Batch(creations=[creation(n, key=f"key-{n}") for n in numbers]))
    assert len(result.creations) == runs
    result = await store.commit(Batch(claims=[claim(n) for n in numbers]))
    assert {outcome.value for outcome in result.claims} == {"done"}
    result = await store.commit(Batch(advances=[advance(n, 1, dict(done), settled=["loop.0"]) for n in numbers]))
    assert {outcome.value for outcome in result.advances} == {"done"}


async def test_commits_find_rows_by_their_keys_in_tables_that_have_grown_since_the_plan_was_made(
    database: URL, executed: list[Executed]
) -> None:
    async with opened(explaining(database), pool_size=3) as store:
        _never_tidy(database)
        for number in range(OFTEN):
            await _live(store, number)
        await _live(store, OFTEN, YOUNG)
        executed.clear()
        await _live(store, OFTEN + YOUNG)
    assert {each.text.split()[0] for each in executed} == {"INSERT", "UPDATE", "DELETE", "WITH"}
    assert [str(each) for each in executed if each.full_scans or each.blocks > FEW_BLOCKS] == []

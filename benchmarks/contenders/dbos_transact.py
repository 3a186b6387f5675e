"""DBOS Transact with its default settings. A run is a workflow, a step is a DBOS step."""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import Any

from benchmarks.contender import Runner, Target

__all__ = ["DbosTransact"]

_dbos: Any = import_module("dbos")


async def _no_op(number: int) -> dict[str, int]:
    return {"number": number}


_step = _dbos.DBOS.step(name="no_op")(_no_op)


async def _chain(length: int) -> int:
    for number in range(length):
        await _step(number)
    return length


async def _fan(width: int) -> int:
    await asyncio.gather(*(_step(number) for number in range(width)))
    await _step(width)
    return width


_chain_workflow = _dbos.DBOS.workflow(name="chain")(_chain)
_fan_workflow = _dbos.DBOS.workflow(name="fan")(_fan)


class DbosTransact(Runner):
    async def open(self, target: Target) -> None:
        url = target.url or f"sqlite:///{target.folder / 'dbos.db'}"
        _dbos.DBOS(
            config={
                "name": "bench",
                "system_database_url": url,
                "run_admin_server": False,
                "log_level": "WARNING",
            }
        )
        _dbos.DBOS.launch()

    async def close(self) -> None:
        await asyncio.to_thread(_dbos.DBOS.destroy)

    async def chains(self, count: int, length: int) -> None:
        start = _dbos.DBOS.start_workflow_async
        started = await asyncio.gather(*(start(_chain_workflow, length) for _ in range(count)))
        for done in await asyncio.gather(*(run.get_result() for run in started)):
            assert done == length

    async def fan_out(self, width: int) -> None:
        run = await _dbos.DBOS.start_workflow_async(_fan_workflow, width)
        assert await run.get_result() == width

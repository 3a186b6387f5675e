"""LISTEN and NOTIFY: PostgreSQL wakes the workers of other processes up.

A notification is sent inside the transaction that leaves the work, so it arrives after the commit or not at all.
Sending takes a lock that all notifying transactions of the cluster share, so only commits that need help do it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import URL, Connection

from floworch.observability.logging import get_library_logger
from floworch.storage.sql.listener import Listener
from floworch.storage.sql.pipe import Order

__all__ = ["PostgresqlListener", "call", "call_order"]

_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0


def call(connection: Connection, channel: str, caller: str) -> None:
    """Wake up who listens on the channel, once the transaction has committed."""
    connection.exec_driver_sql("SELECT pg_notify(%s, %s)", (channel, caller))


def call_order(channel: str, caller: str) -> Order:
    return Order("SELECT pg_notify($1, $2)", (channel.encode(), caller.encode()))


class PostgresqlListener(Listener):
    """``wake`` is called for every notification that ``owner`` has not sent itself, and after each reconnection.
    ``arguments`` of ``psycopg.connect`` are added to those of the URL."""

    def __init__(
        self, url: URL, arguments: Mapping[str, Any], channel: str, owner: str, wake: Callable[[], None]
    ) -> None:
        self._url = url
        self._arguments = arguments
        self._channel = channel
        self._owner = owner
        self._wake = wake
        self._log = get_library_logger("floworch.storage")
        self._task = asyncio.create_task(self._run(), name="floworch-listener")

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _run(self) -> None:
        import psycopg

        pause_seconds = _FIRST_PAUSE_SECONDS
        while True:
            try:
                async with await self._connect() as connection:
                    pause_seconds = _FIRST_PAUSE_SECONDS
                    await self._listen(connection)
            except (psycopg.Error, OSError) as error:
                self._log.warning("listener_disconnected", error=str(error), retry_in_seconds=pause_seconds)
            await asyncio.sleep(pause_seconds * random.uniform(0.5, 1.0))
            pause_seconds = min(2 * pause_seconds, _LONGEST_PAUSE_SECONDS)

    async def _connect(self) -> Any:
        import psycopg

        dialect: Any = self._url.get_dialect()()
        place, options = dialect.create_connect_args(self._url)
        return await psycopg.AsyncConnection.connect(*place, **{**options, **self._arguments}, autocommit=True)

    async def _listen(self, connection: Any) -> None:
        from psycopg import sql

        await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(self._channel)))
        self._wake()  # what was sent while nobody listened
        async for notification in connection.notifies():
            if notification.payload != self._owner:
                self._wake()

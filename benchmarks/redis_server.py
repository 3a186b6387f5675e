"""A private Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks.program import free_port, running, until

__all__ = ["running_redis"]


@asynccontextmanager
async def running_redis(folder: Path, options: Sequence[str]) -> AsyncIterator[str]:
    """URL of a server with these options that keeps its files in the folder."""
    port = free_port()
    command = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder), *options]
    async with running(command, folder) as last_words:
        await until(lambda: _answers(port), last_words)
        yield f"redis://127.0.0.1:{port}/0"


async def _answers(port: int) -> bool:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.write(b"PING\r\n")
    answer = await reader.readline()
    writer.close()
    return answer == b"+PONG\r\n"

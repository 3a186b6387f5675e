"""A server or worker that a peer needs beside it, for as long as one measurement takes."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

__all__ = ["free_port", "running", "until"]

_PATIENCE_SECONDS = 60.0
_LOOK_SECONDS = 0.05
_LAST_CHARACTERS = 2000


@asynccontextmanager
async def running(
    command: Sequence[str], folder: Path, variables: Mapping[str, str] | None = None
) -> AsyncIterator[Callable[[], str | None]]:
    """The program, until the block is left. Yields a question: the last words of the program if it has ended."""
    log = folder / f"{Path(command[0]).name}-{free_port()}.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command, stdout=output, stderr=output, cwd=folder, env={**os.environ, **(variables or {})}
        )
    try:
        yield lambda: None if process.returncode is None else log.read_text(errors="replace")[-_LAST_CHARACTERS:]
    finally:
        await _end(process)


async def until(is_ready: Callable[[], Awaitable[bool]], last_words: Callable[[], str | None]) -> None:
    """Wait for a program to answer. Raises RuntimeError when it has ended, TimeoutError after a minute."""
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while not await is_ready():
            said = last_words()
            if said is not None:
                raise RuntimeError(f"a program ended before it was ready: {said}")
            await asyncio.sleep(_LOOK_SECONDS)


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def _end(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _PATIENCE_SECONDS / 4)
    except TimeoutError:
        process.kill()
        await process.wait()

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.program import running, until


async def _never() -> bool:
    return False


async def test_a_program_that_ends_before_it_is_ready_tells_its_last_words(tmp_path: Path) -> None:
    async with running([sys.executable, "-c", "print('no room')"], tmp_path) as last_words:
        with pytest.raises(RuntimeError, match="no room"):
            await until(_never, last_words)


async def test_a_program_ends_when_nobody_needs_it_any_more(tmp_path: Path) -> None:
    async with running([sys.executable, "-c", "import time; time.sleep(600)"], tmp_path) as last_words:
        assert last_words() is None

    assert last_words() is not None

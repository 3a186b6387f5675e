"""Where and with what was measured."""

from __future__ import annotations

import os
import platform
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from benchmarks.contender import Contender
from benchmarks.environments import versions_in
from benchmarks.presence import plain, program_versions

__all__ = ["hardware", "versions"]

_ALWAYS = ("floworch", "pydantic", "sqlalchemy")
_ALSO = ("orjson", "uvloop")
_MIB = 1024 * 1024


def hardware() -> str:
    """Processor, cores, memory and system in one line."""
    total = _total_memory_bytes()
    parts = [
        _processor(),
        f"{os.cpu_count()} cores",
        f"{total / _MIB / 1024:.0f} GiB" if total else None,
        f"{platform.system()} {platform.release()}",
    ]
    return ", ".join(part for part in parts if part)


def versions(contenders: Sequence[Contender]) -> dict[str, str]:
    """Versions of Python, of SQLite, and of every distribution and program that takes part."""
    names: dict[str | None, dict[str, None]] = {None: dict.fromkeys([*_ALWAYS, *_ALSO])}
    for contender in contenders:
        names.setdefault(contender.environment, {}).update(dict.fromkeys(map(plain, contender.needs.values())))
    found = {"Python": platform.python_version(), "SQLite": sqlite3.sqlite_version}
    for environment, distributions in names.items():
        found |= versions_in(environment, distributions)
    return found | program_versions(contenders)


def _processor() -> str:
    described = Path("/proc/cpuinfo")
    if described.exists():
        for line in described.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _total_memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None

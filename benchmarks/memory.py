"""How much memory this process has.

In a module of its own, because it is part of what is measured: what it loads would be taken for the contender's.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

__all__ = ["memory_mib"]

_MIB = 1024 * 1024


def memory_mib() -> float:
    """Resident memory of this process. On systems without /proc: the most that it ever was."""
    status = Path("/proc/self/statm")
    if status.exists():
        return int(status.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / _MIB
    if sys.platform == "win32":
        return float("nan")
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (_MIB if sys.platform == "darwin" else 1024)

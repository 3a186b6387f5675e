"""What a process of the application tells the test that started it."""

from __future__ import annotations

import sys

__all__ = ["say"]


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()

"""Identifiers of runs."""

from __future__ import annotations

import os
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

__all__ = ["RunKey", "uuid7"]

RunKey: TypeAlias = int
"""``run_id.int``, for maps that every step is looked up in several times: the hash of a UUID is computed in Python."""


def uuid7(at: datetime, random_80_bits: int | None = None) -> UUID:
    """A UUID version 7 (RFC 9562, section 5.7): 48 bits of Unix milliseconds, the rest random. Sorts by time."""
    milliseconds = int(at.timestamp() * 1000) & 0xFFFF_FFFF_FFFF
    random = int.from_bytes(os.urandom(10), "big") if random_80_bits is None else random_80_bits
    high = random >> 68  # 12 of the 80 random bits
    low = random & 0x3FFF_FFFF_FFFF_FFFF
    return UUID(int=(milliseconds << 80) | (0x7 << 76) | (high << 64) | (0x2 << 62) | low)

"""The place in a list of runs at which the next page begins."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from floworch.storage.sql.types import from_micros, to_micros

__all__ = ["Cursor"]

_MICROS_BYTES = 8


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last run of a page. Text that is safe in a URL, and opaque."""

    at: datetime
    run_id: UUID

    def __str__(self) -> str:
        packed = to_micros(self.at).to_bytes(_MICROS_BYTES, "big", signed=True) + self.run_id.bytes
        return urlsafe_b64encode(packed).decode()

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """The cursor whose text this is. Raises ``ValueError``."""
        try:
            packed = urlsafe_b64decode(text.encode("ascii"))
            at = from_micros(int.from_bytes(packed[:_MICROS_BYTES], "big", signed=True))
            return cls(at, UUID(bytes=packed[_MICROS_BYTES:]))
        except (ValueError, OverflowError) as error:
            raise ValueError(
                f"{text!r} is not a cursor of this store: pass a page's next_cursor, or None for the first page."
            ) from error

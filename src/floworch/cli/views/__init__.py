"""What commands show to people, made from what they know; nothing here asks or changes anything."""

from __future__ import annotations

__all__: list[str] = []

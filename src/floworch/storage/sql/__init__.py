"""Storage on SQL databases, with SQLAlchemy Core. Importing this loads SQLAlchemy; importing floworch does not."""

from __future__ import annotations

from floworch.storage.sql.store import SqlStorage

__all__ = ["SqlStorage"]

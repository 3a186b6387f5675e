"""What differs between databases; the module of one is loaded with its first use, and its drivers with it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from floworch.storage.sql.dialects.mssql import MssqlDialect
    from floworch.storage.sql.dialects.postgresql import PostgresqlDialect
    from floworch.storage.sql.dialects.sqlite import SqliteDialect

__all__ = ["MssqlDialect", "PostgresqlDialect", "SqliteDialect"]

if not TYPE_CHECKING:
    # A process has one database, as a rule. Type checkers do not see this, or they would take any name for one of ours.
    _LOADED_WHEN_USED = {
        "MssqlDialect": "floworch.storage.sql.dialects.mssql",
        "PostgresqlDialect": "floworch.storage.sql.dialects.postgresql",
        "SqliteDialect": "floworch.storage.sql.dialects.sqlite",
    }

    def __getattr__(name: str) -> object:
        if name not in _LOADED_WHEN_USED:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(_LOADED_WHEN_USED[name]), name)

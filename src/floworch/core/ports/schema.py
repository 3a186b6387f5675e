"""The tables that a store keeps its data in, for those who look after them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

__all__ = ["SchemaVersions", "StorageSchema"]


@dataclass(frozen=True, slots=True)
class SchemaVersions:
    """``present`` is 0 where floworch has no tables yet."""

    present: int
    newest: int

    @property
    def is_current(self) -> bool:
        return self.present == self.newest


class StorageSchema(ABC):
    """The tables that a store keeps its data in. Usable before :meth:`Storage.open`, and never migrates by itself.

    Call :meth:`Storage.close` when done, as after ``open``.
    """

    @property
    @abstractmethod
    def location(self) -> str:
        """Where the database is, without its password."""

    @abstractmethod
    async def versions(self) -> SchemaVersions:
        """Raises StorageUnavailable, also for a schema from a newer floworch."""

    @abstractmethod
    async def migrate(self) -> list[int]:
        """Apply the missing migrations; answers with their versions."""

    @abstractmethod
    def script(self, after_version: int = 0) -> str:
        """The SQL that :meth:`migrate` would run on a database at that version. Needs no connection."""

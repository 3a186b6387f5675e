"""Being woken up by the database when other processes leave work."""

from __future__ import annotations

from abc import ABC, abstractmethod

__all__ = ["Listener"]


class Listener(ABC):
    """Listens on a connection of its own, from its start until it is stopped, however often the connection breaks."""

    @abstractmethod
    async def stop(self) -> None:
        """End listening and close the connection."""

"""Loggers, without the price of structlog for those who only define flows.

``import structlog`` loads rich wherever rich is installed, and the two take as long as the rest of floworch. So a
logger is made where it is used, in constructors and functions, never at the top of a module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

__all__ = ["get_logger"]


def get_logger(name: str, **fields: object) -> FilteringBoundLogger:
    """A structlog logger with ``fields`` bound; how it writes is up to the application's structlog configuration."""
    import structlog

    return cast("FilteringBoundLogger", structlog.get_logger(name, **fields))

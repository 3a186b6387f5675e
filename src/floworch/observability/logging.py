"""Loggers, without the price of structlog for those who only define flows.

``import structlog`` loads rich wherever rich is installed, and the two take as long as the rest of floworch, and 8 MiB.
So a logger is made where it is used, in constructors and functions, never at the top of a module.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

__all__ = ["get_library_logger", "get_logger", "tells_info"]


def get_logger(name: str, **fields: object) -> FilteringBoundLogger:
    """A structlog logger with ``fields`` bound; how it writes is up to the application's structlog configuration."""
    import structlog

    return cast("FilteringBoundLogger", structlog.get_logger(name, **fields))


def get_library_logger(name: str) -> FilteringBoundLogger:
    """A logger for what the library itself has to say.

    As long as the application has not configured structlog, it tells warnings and errors only, on stderr: a library
    that nobody asked to talk keeps quiet. It does not even load structlog before there is something to tell.
    """
    if "structlog" not in sys.modules:
        return cast("FilteringBoundLogger", _Quiet(name))
    import structlog

    if structlog.is_configured():
        return get_logger(name)
    wrapper = structlog.make_filtering_bound_logger(logging.WARNING)
    output = structlog.PrintLogger(sys.stderr)
    return cast("FilteringBoundLogger", structlog.wrap_logger(output, wrapper_class=wrapper, source=name))


class _Quiet:
    """A logger of the library in a process that has not loaded structlog, and so cannot have configured it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._log: FilteringBoundLogger | None = None

    def is_enabled_for(self, level: int) -> bool:
        return level >= logging.WARNING

    def debug(self, event: str, **fields: object) -> None:
        """Not told."""

    info = debug

    def warning(self, event: str, **fields: object) -> None:
        self._loaded().warning(event, **fields)

    def error(self, event: str, **fields: object) -> None:
        self._loaded().error(event, **fields)

    def _loaded(self) -> FilteringBoundLogger:
        if self._log is None:
            import structlog  # noqa: F401 - so that this is asked once

            self._log = get_library_logger(self._name)
        return self._log


def tells_info(log: FilteringBoundLogger) -> bool:
    """Whether a line at level info would be written."""
    is_enabled_for = getattr(log, "is_enabled_for", None) or getattr(log, "isEnabledFor", None)
    return is_enabled_for is None or bool(is_enabled_for(logging.INFO))

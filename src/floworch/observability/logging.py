"""Loggers, without the price of structlog for those who only define flows.

``import structlog`` loads rich wherever rich is installed, and the two take as long as the rest of floworch. So a
logger is made where it is used, in constructors and functions, never at the top of a module.
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
    that nobody asked to talk keeps quiet.
    """
    import structlog

    if structlog.is_configured():
        return get_logger(name)
    wrapper = structlog.make_filtering_bound_logger(logging.WARNING)
    output = structlog.PrintLogger(sys.stderr)
    return cast("FilteringBoundLogger", structlog.wrap_logger(output, wrapper_class=wrapper, source=name))


def tells_info(log: FilteringBoundLogger) -> bool:
    """Whether a line at level info would be written."""
    is_enabled_for = getattr(log, "is_enabled_for", None) or getattr(log, "isEnabledFor", None)
    return is_enabled_for is None or bool(is_enabled_for(logging.INFO))

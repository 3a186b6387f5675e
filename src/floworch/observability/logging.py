"""Loggers, without the price of structlog for those who only define flows.

``import structlog`` loads rich wherever rich is installed, and the two take as long as the rest of floworch, and 8 MiB.
So a logger is made where it is used, in constructors and functions, never at the top of a module.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Callable, MutableMapping
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

__all__ = ["get_library_logger", "get_logger", "get_veiled_logger", "tells_info"]


def get_logger(name: str, **fields: object) -> FilteringBoundLogger:
    """A structlog logger with ``fields`` bound; how it writes is up to the application's structlog configuration."""
    import structlog

    return cast("FilteringBoundLogger", structlog.get_logger(name, **fields))


def get_veiled_logger(name: str, hide: Callable[[Any], Any], **fields: object) -> FilteringBoundLogger:
    """The same, but what is told goes through ``hide`` first: values of fields, and tracebacks as text."""
    import structlog

    def veil(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        error = _exception_in(event.pop("exc_info", None))
        if error is not None:
            event["exception"] = "".join(traceback.format_exception(error))
        return {key: hide(value) for key, value in event.items()}

    processors = [veil, *structlog.get_config()["processors"]]
    logger = structlog.wrap_logger(None, processors=processors, logger_factory_args=(name,))
    return cast("FilteringBoundLogger", logger.bind(**fields))


def _exception_in(exc_info: object) -> BaseException | None:
    if isinstance(exc_info, BaseException):
        return exc_info
    found = exc_info[1] if isinstance(exc_info, tuple) else None
    return sys.exc_info()[1] if found is None and exc_info else found


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

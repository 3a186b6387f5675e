"""How a command line process writes logs: to stderr, unless the application has configured structlog itself."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, MutableMapping, Sequence
from enum import StrEnum
from typing import Any, TextIO, cast

import structlog

__all__ = ["LOG_LEVELS", "LogLevel", "configure_logs"]


class LogLevel(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


LOG_LEVELS = "|".join(LogLevel)
"""The choices, for help texts."""


def configure_logs(
    level: LogLevel, *, as_json: bool = False, hidden_fields: Sequence[str] = (), engine_too: bool = True
) -> None:
    """Readable lines without the hidden fields, or one JSON object per line.

    To be called before the application is imported: its own configuration of structlog wins.
    Without ``engine_too`` the engine's news are left out at level info, where something else tells them.
    """
    if structlog.is_configured():
        return
    renderer = structlog.processors.JSONRenderer() if as_json else _readable()
    structlog.configure(
        processors=[
            *(() if engine_too or level is LogLevel.DEBUG else (_without_news_of_engine,)),
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso" if as_json else "%H:%M:%S", utc=as_json),
            structlog.processors.StackInfoRenderer(),
            *((structlog.processors.format_exc_info,) if as_json else (_without(hidden_fields),)),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=_NamedLogger,
    )


def _readable() -> Any:
    has_colours = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    return structlog.dev.ConsoleRenderer(colors=has_colours, pad_event_to=20)


def _without(fields: Sequence[str]) -> Callable[[Any, str, MutableMapping[str, Any]], MutableMapping[str, Any]]:
    def leave_out(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        for field in fields:
            event.pop(field, None)
        return event

    return leave_out


def _without_news_of_engine(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if method == "info" and logger.name.startswith("floworch.engine"):
        raise structlog.DropEvent
    return event


class _NamedLogger(structlog.PrintLogger):
    """What ``structlog.get_logger(name)`` writes with."""

    def __init__(self, name: str = "", *_others: object) -> None:
        super().__init__(cast("TextIO", _CurrentStderr()))
        self.name = name


class _CurrentStderr:
    """Whatever ``sys.stderr`` is when a line is written: a live view puts itself in its place."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()

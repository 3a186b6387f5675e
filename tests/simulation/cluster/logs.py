"""Listens to the logs of the engines: what they swallow must not go unnoticed."""

from __future__ import annotations

import logging
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

import structlog

from tests.simulation.cluster.node import NODE

__all__ = ["listened_logs"]

_EXPECTED = "simulated"
"""Part of the message of every error that the simulation itself has caused."""


@contextmanager
def listened_logs() -> Iterator[None]:
    """A logged error with a traceback breaks the history of the process that logged it; nothing is written.

    Afterwards structlog is configured as it was.
    """
    was_configured, before = structlog.is_configured(), structlog.get_config()
    structlog.configure(
        processors=[_listen],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.ReturnLoggerFactory(),
    )
    try:
        yield
    finally:
        structlog.configure(**before) if was_configured else structlog.reset_defaults()


def _listen(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    node = NODE.get(None)
    if node is None:
        raise structlog.DropEvent
    node.witness.note(f"{node.name} logs {event}")
    told = str(event.get("traceback") or event.get("error") or "")
    is_of_a_handler = event["event"] in ("step_failed", "handler_abandoned")
    if method == "error" and told and _EXPECTED not in told and not is_of_a_handler:
        node.witness.broken(AssertionError(f"{node.name} logged {event['event']}: {told}"))
    raise structlog.DropEvent

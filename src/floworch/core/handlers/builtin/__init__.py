"""Handlers that every orchestrator has."""

from __future__ import annotations

from floworch.core.handlers.builtin.delay import delay
from floworch.core.handlers.builtin.http_request import HttpRequest
from floworch.core.handlers.builtin.log_message import log_message
from floworch.core.handlers.builtin.run_flow import run_flow

__all__ = ["BUILTIN_HANDLERS"]

BUILTIN_HANDLERS = (log_message, delay, run_flow, HttpRequest)
"""Added to a registry before the application's own handlers, which may replace them."""

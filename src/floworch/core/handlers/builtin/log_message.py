"""The built-in step type ``LogMessage``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from floworch.core.handlers.context import StepContext
from floworch.core.handlers.spec import step_handler
from floworch.core.model.payload import Json, Payload

__all__ = ["log_message"]


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


Level = Annotated[Literal["debug", "info", "warning", "error", "critical"], BeforeValidator(_lower)]


@step_handler("LogMessage", executor="loop")
def log_message(ctx: StepContext, message: Json = None, level: Level = "info") -> dict[str, str]:
    """Write a message to the log, at a level from debug to critical. What is not text is written as JSON."""
    text = ctx.step_key if message is None else _as_text(message)
    getattr(ctx.log, level)("log_message", text=text)
    return {"logged": text}


def _as_text(message: Json) -> str:
    return message if isinstance(message, str) else Payload.of(message).text

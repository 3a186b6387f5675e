"""The built-in step type ``RunFlow``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from floworch.core.handlers.results import StartsChild
from floworch.core.handlers.spec import step_handler
from floworch.core.model.child_types import RUN_FLOW
from floworch.core.model.payload import Json, Payload

__all__ = ["run_flow"]

_LONGEST_KEY = 256
_HUNDRED_YEARS_SECONDS = 100 * 365 * 86_400


def _storable(key: str) -> str:
    if "\0" in key or key != key.encode("utf-8", "replace").decode() or not key.strip():
        raise ValueError("a key is text that is not blank, without NUL and halves of characters")
    return key


Seconds = Annotated[float, Field(gt=0, le=_HUNDRED_YEARS_SECONDS)]
Key = Annotated[str, Field(max_length=_LONGEST_KEY), AfterValidator(_storable)]


@step_handler(RUN_FLOW, executor="loop")
def run_flow(
    flow: str,
    body: Json = None,
    headers: dict[str, str] | None = None,
    wait: bool = True,
    on_child_failure: Literal["fail", "continue"] = "fail",
    timeout_seconds: Seconds | None = None,
    idempotency_key: Key | None = None,
) -> StartsChild:
    """Start a run of another flow, and wait for it unless told otherwise. No worker waits."""
    return StartsChild(
        flow=flow,
        body=None if body is None else Payload.of(body),
        headers=Payload.of(headers) if headers else None,
        waits=wait,
        on_failure=on_child_failure,
        timeout_seconds=timeout_seconds,
        idempotency_key=idempotency_key,
    )

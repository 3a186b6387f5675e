"""What a flow says about all of its steps."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pydantic import model_serializer

from floworch.core.model.payload import Json
from floworch.core.model.retry import RetryLike, RetrySettings, StepRetry
from floworch.core.model.wire import Seconds, WireModel

__all__ = ["StepDefaults"]


class StepDefaults(WireModel):
    """For the steps of a flow, wherever they are, where neither they nor their handlers say anything."""

    retry: StepRetry = None
    """Wins over the default of the orchestrator, and yields to the step and to its handler."""
    timeout: Seconds | None = None
    """Seconds that one attempt may take."""

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            retry: RetrySettings | RetryLike | Mapping[str, Any] | None = None,
            timeout: float | timedelta | None = None,
        ) -> None: ...

    @model_serializer(mode="wrap")
    def _to_wire(self, handler: Any) -> dict[str, Json]:
        return {name: value for name, value in handler(self).items() if value is not None}

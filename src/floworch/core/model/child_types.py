"""The types of steps that start child flows, for workers and for people.

The row of a ``RunFlow`` step says which flow it starts, so that only processes that know this flow take it. People see
``RunFlow``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from floworch.core.model.payload import Json

__all__ = ["RUN_FLOW", "child_reference", "child_type", "is_run_flow", "shown_type"]

RUN_FLOW: Final = "RunFlow"
_PREFIX: Final = f"{RUN_FLOW}:"


def is_run_flow(step_type: str) -> bool:
    """Whether the type, in whatever case, is that of steps that start a child flow."""
    return step_type.casefold() == RUN_FLOW.casefold()


def child_type(reference: str) -> str:
    """The type in the rows of steps that start this flow. Ids are written in one way, names as they are."""
    try:
        return f"{_PREFIX}{UUID(reference)}"
    except ValueError:
        return f"{_PREFIX}{reference}"


def child_reference(inputs: Mapping[str, Json]) -> Json:
    """What the inputs of a ``RunFlow`` step have under ``flow``, whatever its case; None when they have nothing."""
    return next((value for name, value in inputs.items() if name.casefold() == "flow"), None)


def shown_type(step_type: str) -> str:
    """The type as people know it."""
    return RUN_FLOW if step_type.startswith(_PREFIX) else step_type

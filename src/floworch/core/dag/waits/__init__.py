"""Steps that wait without a worker: what they wait for, compiled from their inputs. One module per kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

from floworch.core.dag.waits.signal import WAIT_FOR_SIGNAL, SignalPlan, compile_signal_wait
from floworch.core.model.payload import Json

__all__ = ["WAITING_TYPES", "WAIT_FOR_SIGNAL", "SignalPlan", "WaitPlan", "compile_wait"]

WaitPlan: TypeAlias = SignalPlan

WAITING_TYPES: Final = frozenset({WAIT_FOR_SIGNAL})
"""Step types that the engine itself carries out; no handler is called for them."""

_COMPILERS: Final = {WAIT_FOR_SIGNAL.casefold(): compile_signal_wait}


def compile_wait(step_type: str, inputs: Mapping[str, Json]) -> WaitPlan | None:
    """What the step waits for; None for a step of any other type."""
    compile_one = _COMPILERS.get(step_type.casefold())
    return None if compile_one is None else compile_one(inputs)

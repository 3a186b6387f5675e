"""What the inputs of a wait come to when it begins."""

from __future__ import annotations

from floworch.core.dag.waits import SignalPlan
from floworch.core.machine.environment import RunEnvironment
from floworch.core.machine.progress import SignalWait
from floworch.core.model.payload import Json
from floworch.core.model.signals import signal_name_fault

__all__ = ["BadWait", "resolved_wait"]

_LONGEST_SECONDS = 100 * 365 * 24 * 3600


class BadWait(Exception):
    """An expression among the inputs has come to a value that nobody can wait for."""


def resolved_wait(environment: RunEnvironment, wait: SignalPlan) -> SignalWait:
    """Names and time limit as they are now. Raises BadWait, ExpressionError, PayloadsNeeded."""
    environment.require(wait.names.references | wait.timeout.references)
    names = wait.names.resolve(environment)
    seconds = _seconds(wait.timeout.resolve(environment), wait)
    return SignalWait(_checked_names([names] if wait.mode == "one" else names, wait), wait.mode, wait.quorum, seconds)


def _checked_names(names: Json, wait: SignalPlan) -> tuple[str, ...]:
    source = f"from {wait.names.source!r:.200}"
    if not isinstance(names, list) or not names:
        raise BadWait(f"signalNames must be a list of at least one name, not {names!r:.80}, {source}")
    for name in names:
        if fault := signal_name_fault(name):
            raise BadWait(f"{fault}, {source}")
    return tuple(dict.fromkeys(names))


def _seconds(value: Json, wait: SignalPlan) -> float | None:
    if value is None:
        return None
    is_number = not isinstance(value, bool | str | list | dict)
    if not is_number or not 0 <= value <= _LONGEST_SECONDS:
        raise BadWait(
            f"timeoutSeconds must be a number from 0 to {_LONGEST_SECONDS} (100 years) or null, not {value!r:.80}, "
            f"from {wait.timeout.source!r:.200}"
        )
    return float(value) or None

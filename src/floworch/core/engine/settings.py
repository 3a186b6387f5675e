"""The engine's knobs."""

from __future__ import annotations

import difflib
import math
import os
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from floworch.core.policy.retry import RetryPolicy
from floworch.errors import ConfigurationError

__all__ = ["EngineSettings"]

_NUMBERS = {"int": (int,), "float": (int, float), "float | None": (int, float)}
_MAY_BE_ZERO = ("cancel_grace_seconds", "drain_seconds", "storage_patience_seconds")


def _worker_id() -> str:
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """How an engine behaves. All times are in seconds. Raises ConfigurationError for values that make no sense."""

    worker_id: str = field(default_factory=_worker_id)
    """Who holds this process's leases; must differ between all processes on one store."""
    lease_seconds: float = 30.0
    """An attempt whose worker sends no heartbeat for so long is lost, and another worker takes the step."""
    heartbeat_seconds: float = 10.0
    """How often leases are renewed; a third of :attr:`lease_seconds` leaves room for two heartbeats that get lost."""
    poll_interval_seconds: float = 1.0
    """How soon to look again into a store that other processes share, for work and timers that they left.

    While there is nothing, the pause doubles up to :attr:`idle_poll_seconds`, or up to twice this where the store
    cannot wake other processes up.
    """
    idle_poll_seconds: float = 10.0
    """The longest of those pauses."""
    max_lost_attempts: int = 3
    """A step fails when so many of its attempts were lost in a row: it may be what kills the workers."""
    max_payload_bytes: int = 1024 * 1024
    """Largest trigger body, step input, step output or loop source, as JSON in UTF-8."""
    default_retry: RetryPolicy | None = None
    """For steps whose manifest and handler say nothing; None means no retry."""
    default_timeout_seconds: float | None = None
    """For steps whose manifest and handler say nothing; None means no limit."""
    default_run_timeout_seconds: float | None = None
    """For runs of flows whose manifest says nothing, when the trigger says nothing either; None means no limit."""
    cancel_grace_seconds: float = 10.0
    """How long a handler may take to end after its run was stopped or its time was up."""
    drain_seconds: float = 30.0
    """How long a stopping engine waits for running handlers before it cancels them."""
    max_batch: int = 256
    """Most changes in one transaction."""
    cached_runs: int = 2000
    """Runs whose planning state is kept in memory."""
    handler_threads: int = 32
    """Sync handlers that may run at once."""
    handler_processes: int = field(default_factory=lambda: os.cpu_count() or 1)
    """Processes for handlers with ``executor="process"``; started when the first one runs."""
    max_run_depth: int = 32
    """How many runs may start each other, one below the other, before a ``RunFlow`` step fails with ``TooDeep``."""
    storage_patience_seconds: float = 60.0
    """How long to keep the results of handlers while the store cannot be reached."""
    keep_runs_days: float | None = None
    """Runs are deleted so many days after they have ended; None keeps them for ever."""
    keep_idempotency_keys_days: float = 30.0
    """An idempotency key is remembered at least for so long, also when its run is deleted earlier."""
    retention_interval_seconds: float = 3600.0
    """How often to look for runs to delete."""
    ready_grace_seconds: float = 60.0
    """A step that is ready for longer should have been taken by a worker: then ``health`` and ``explain`` say so."""
    schedule_grace_seconds: float = 60.0
    """A tick whose run cannot be started for so long is late: then the ``catch_up`` of its trigger decides about it."""
    keep_ticks_days: float = 90.0
    """What became of ticks is remembered for so long."""
    retention_batch: int = 200
    """Most runs that one transaction deletes."""
    notice_timeout_seconds: float = 10.0
    """How long a notifier of ``on_failure`` may take."""
    max_notice_tries: int = 10
    """So often is tried to tell of the end of a run. The pauses begin with five seconds and double up to an hour."""

    @classmethod
    def from_fields(cls, given: Mapping[str, Any], environment: Mapping[str, str] | None = None) -> EngineSettings:
        """Settings from ``given`` and, for what is not given, from ``FLOWORCH_…`` variables of the environment such as
        ``FLOWORCH_LEASE_SECONDS``. Raises ConfigurationError."""
        known = {each.name: each for each in fields(cls)}
        for name in given:
            if name not in known:
                close = difflib.get_close_matches(name, known, n=1)
                raise ConfigurationError(
                    f"there is no setting {name!r}" + (f"; did you mean {close[0]!r}?" if close else "")
                )
        found = _from_environment(os.environ if environment is None else environment)
        return cls(**{**found, **given})

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if each.type in _NUMBERS and (value is not None or each.default is not None):
                _check_number(each.name, each.type, value)
        if self.heartbeat_seconds >= self.lease_seconds:
            raise ConfigurationError(
                f"heartbeat_seconds ({self.heartbeat_seconds}) must be smaller than lease_seconds "
                f"({self.lease_seconds}); a third of it leaves room for two heartbeats that get lost"
            )


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for each in fields(EngineSettings):
        name = f"FLOWORCH_{each.name.upper()}"
        text = environment.get(name)
        if text is None or each.name == "default_retry":
            continue
        try:
            found[each.name] = text if each.name == "worker_id" else (int if each.type == "int" else float)(text)
        except ValueError:
            raise ConfigurationError(f"the environment variable {name} is {text!r}; it must be a number") from None
    return found


def _check_number(name: str, kind: str, value: Any) -> None:
    if not isinstance(value, _NUMBERS[kind]) or isinstance(value, bool) or not math.isfinite(value):
        raise ConfigurationError(f"{name} is {value!r}; it must be a {'whole ' if kind == 'int' else ''}number")
    may_be_zero = name in _MAY_BE_ZERO
    if value < 0 or (value == 0 and not may_be_zero):
        raise ConfigurationError(f"{name} is {value!r}; it must be {'at least' if may_be_zero else 'greater than'} 0")

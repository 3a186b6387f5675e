"""What the planner remembers of a step that is under way for longer than one attempt of a handler."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, TypeAlias

from floworch.core.dag.waits.signal import SignalMode
from floworch.core.model.payload import Json

__all__ = [
    "ChildWait",
    "GroupProgress",
    "Hurried",
    "LoopProgress",
    "PollProgress",
    "Progress",
    "SignalWait",
    "UntilProgress",
    "progress_from_json",
    "progress_to_json",
]


@dataclass(frozen=True, slots=True)
class LoopProgress:
    """Iterations ``0 … started-1`` have begun; the final ones are counted by how they ended."""

    total: int
    started: int = 0
    succeeded: int = 0
    failed: int = 0
    skipped: int = 0
    first_failure: str | None = None
    """Run-time key of the step whose failure was seen first."""

    @property
    def done(self) -> int:
        return self.succeeded + self.failed + self.skipped

    @property
    def in_flight(self) -> int:
        return self.started - self.done


@dataclass(frozen=True, slots=True)
class ChildWait:
    """The run that the last attempt of a ``RunFlow`` step has started."""

    run_id: str
    flow_name: str
    on_failure: str
    """``fail`` or ``continue``."""


@dataclass(frozen=True, slots=True)
class UntilProgress:
    """Iterations ``0 … started-1`` have begun, each after the end of the one before."""

    started: int = 0
    counted_from: int = 0
    """Iterations that had begun when the step was last retried by hand; they do not count towards the limit."""
    first_failure: str | None = None
    """Run-time key of the step that has failed the last iteration."""


@dataclass(frozen=True, slots=True)
class GroupProgress:
    """How far a scope is. Steps go by their run-time keys."""

    phase: str = "steps"
    """The branch that was begun last."""
    body: str | None = None
    """How the steps have ended: ``Succeeded``, ``Skipped``, ``Failed``, or ``Stopped`` with the run. Decided once."""
    first_failure: str | None = None
    """The step that has failed the scope."""
    to_undo: tuple[str, ...] = ()
    """Compensations that have not begun, the next one first."""
    undoing: tuple[str, ...] = ()
    """Compensations under way: one, and any that are retried by hand."""
    not_undone: tuple[str, ...] = ()
    """Compensations that have failed for good."""
    caught: bool = False
    finally_failed: bool = False

    @property
    def undoes_itself(self) -> bool:
        """Whether what the steps have done was not kept. Otherwise the scope around may undo it."""
        return self.body in ("Failed", "Stopped")


@dataclass(frozen=True, slots=True)
class PollProgress:
    """Polls that were followed by a pause, because what they gave was not what the step waits for."""

    polls: int = 0


@dataclass(frozen=True, slots=True)
class Hurried:
    """Somebody has said that the step need not wait any longer for the time that its handler has asked for."""


@dataclass(frozen=True, slots=True)
class SignalWait:
    """What a ``WaitForSignal`` step waits for: its inputs as they were when the wait began."""

    names: tuple[str, ...]
    mode: SignalMode
    quorum: int
    timeout_seconds: float | None
    """None for ever."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(self.names))  # a list in JSON


Progress: TypeAlias = LoopProgress | UntilProgress | GroupProgress | ChildWait | PollProgress | Hurried | SignalWait
"""One kind per kind of step that has any."""

_KINDS: Final[Mapping[str, type[Progress]]] = {
    "loop": LoopProgress,
    "until": UntilProgress,
    "scope": GroupProgress,
    "child": ChildWait,
    "poll": PollProgress,
    "hurried": Hurried,
    "signal": SignalWait,
}
_NAMES: Final = {kind: name for name, kind in _KINDS.items()}


def progress_to_json(progress: Progress) -> dict[str, Json]:
    """The fields and, as ``kind``, which progress it is."""
    fields = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(progress).items()}
    return {"kind": _NAMES[type(progress)], **fields}


def progress_from_json(data: Mapping[str, Any]) -> Progress:
    """The reverse of :func:`progress_to_json`."""
    fields: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in data.items()}
    return _KINDS[fields.pop("kind")](**fields)

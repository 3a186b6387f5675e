"""What differs between two manifests of a flow, and what that means for runs that are under way.

Runs keep the version that they were started with, so a change of the code never touches them by itself. The verdicts
say what happens when they are migrated, and to those who start runs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeAlias

from floworch.core.model.child_types import child_reference, is_run_flow
from floworch.core.model.payload import Json

__all__ = ["Change", "ChangeKind", "ManifestDiff", "Verdict", "changes_between"]

_Wire: TypeAlias = Mapping[str, Any]
_Judge: TypeAlias = Callable[[str], "Verdict"]

_BRANCHES: Final = ("steps", "catch", "finally")
_ITERATING: Final = ("ForEach", "Until")
_SETTLED_AT_START: Final = ("timeoutSeconds", "tags", "concurrencyKey")
"""Fields of a manifest that are only read when a run starts."""
_LONGEST_VALUE = 60


class ChangeKind(StrEnum):
    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


class Verdict(StrEnum):
    """Ordered from harmless to grave."""

    SAFE = "safe"
    """No run that is under way can notice."""
    AFFECTS_WAITING_RUNS = "affects_waiting_runs"
    """A run that has not come that far behaves differently once it is migrated; one that has goes on as it is."""
    BREAKING = "breaking"
    """A run that has come that far cannot be migrated, or something that starts runs does so no more."""


@dataclass(frozen=True, slots=True)
class Change:
    path: str
    """As people write it, such as ``steps.charge.inputs.amount``."""
    kind: ChangeKind
    verdict: Verdict
    text: str
    """What has changed, in one line."""


@dataclass(frozen=True, slots=True)
class ManifestDiff:
    """Changes in the order of the manifests: triggers first, then what holds for whole runs, then steps."""

    changes: tuple[Change, ...]

    @property
    def verdict(self) -> Verdict:
        """The gravest one; safe where nothing has changed."""
        found = {change.verdict for change in self.changes}
        return next((verdict for verdict in reversed(Verdict) if verdict in found), Verdict.SAFE)

    @property
    def is_breaking(self) -> bool:
        return self.verdict is Verdict.BREAKING


def changes_between(old: _Wire, new: _Wire) -> ManifestDiff:
    """The difference of two manifests in their canonical JSON form."""
    fields = [name for name in {**old, **new} if name not in ("triggers", "steps")]
    return ManifestDiff(
        (
            *_triggers(old.get("triggers", {}), new.get("triggers", {})),
            *_values("", _only(old, fields), _only(new, fields), _judge_field),
            *_steps("steps", old.get("steps", {}), new.get("steps", {}), in_loop=False),
        )
    )


def _triggers(old: _Wire, new: _Wire) -> Iterator[Change]:
    for key, before, after in _pairs(old, new):
        path = f"triggers.{key}"
        if before is None:
            yield Change(path, ChangeKind.ADDED, Verdict.SAFE, f"the {after['type']} trigger is new")
        elif after is None:
            is_free = (key, before["type"]) == ("manual", "Manual")  # runs are started by hand with or without it
            verdict = Verdict.SAFE if is_free else Verdict.BREAKING
            yield Change(path, ChangeKind.REMOVED, verdict, f"the {before['type']} trigger starts no more runs")
        else:
            yield from _values(path, before, after, _judge_trigger)


def _judge_trigger(path: str) -> Verdict:
    names_another = path.endswith((".type", ".inputs.webhookSlug"))
    return Verdict.BREAKING if names_another else Verdict.SAFE


def _judge_field(path: str) -> Verdict:
    return Verdict.SAFE if path.partition(".")[0] in _SETTLED_AT_START else Verdict.AFFECTS_WAITING_RUNS


def _steps(path: str, old: _Wire, new: _Wire, *, in_loop: bool) -> Iterator[Change]:
    for key, before, after in _pairs(old, new):
        here = f"{path}.{key}"
        if before is None:
            verdict = Verdict.BREAKING if in_loop else Verdict.AFFECTS_WAITING_RUNS
            yield Change(here, ChangeKind.ADDED, verdict, _added(after, in_loop=in_loop))
        elif after is None:
            yield Change(here, ChangeKind.REMOVED, Verdict.BREAKING, f"the step of type {before['type']} is gone")
        else:
            yield from _step(here, before, after, in_loop=in_loop)
    if _order(old, new) != _order(new, old):
        yield Change(path, ChangeKind.CHANGED, Verdict.SAFE, "the steps stand in another order")


def _added(step: _Wire, *, in_loop: bool) -> str:
    where = ", in a loop that may have begun" if in_loop else ""
    return f"a step of type {step['type']} is new{where}"


def _step(path: str, old: _Wire, new: _Wire, *, in_loop: bool) -> Iterator[Change]:
    if old["type"] != new["type"]:
        text = _from_to(old["type"], new["type"])
        yield Change(f"{path}.type", ChangeKind.CHANGED, Verdict.BREAKING, text)
        return
    yield from _edges(f"{path}.runAfter", old.get("runAfter", {}), new.get("runAfter", {}))
    apart = ("type", "runAfter", "compensate", *_BRANCHES)
    fields = [name for name in {**old, **new} if name not in apart]
    yield from _values(path, _only(old, fields), _only(new, fields), _judge_setting(path, old, new))
    yield from _compensation(f"{path}.compensate", old.get("compensate"), new.get("compensate"))
    is_loop = in_loop or old["type"] in _ITERATING
    for branch in _BRANCHES:
        yield from _steps(f"{path}.{branch}", old.get(branch, {}), new.get(branch, {}), in_loop=is_loop)


def _edges(path: str, old: _Wire, new: _Wire) -> Iterator[Change]:
    for key, before, after in _pairs(old, new):
        if before is None:
            text = f"the step has to wait for {key!r} as well"
            yield Change(f"{path}.{key}", ChangeKind.ADDED, Verdict.BREAKING, text)
        elif after is None:
            text = f"the step waits for {key!r} no more"
            yield Change(f"{path}.{key}", ChangeKind.REMOVED, Verdict.BREAKING, text)
        else:
            yield from _values(f"{path}.{key}", before, after, _judge_edge)


def _judge_edge(path: str) -> Verdict:
    return Verdict.BREAKING if path.endswith(".statuses") else Verdict.AFFECTS_WAITING_RUNS


def _judge_setting(path: str, old: _Wire, new: _Wire) -> _Judge:
    """Of a step that is of the same type in both."""
    flows = [child_reference(each.get("inputs", {})) for each in (old, new)] if is_run_flow(old["type"]) else []

    def judge(field: str) -> Verdict:
        if field == f"{path}.description":
            return Verdict.SAFE
        starts_another = (
            len(flows) == 2 and flows[0] != flows[1] and field.casefold() == f"{path}.inputs.flow".casefold()
        )
        return Verdict.BREAKING if starts_another else Verdict.AFFECTS_WAITING_RUNS

    return judge


def _compensation(path: str, old: _Wire | None, new: _Wire | None) -> Iterator[Change]:
    if old is None and new is not None:
        text = f"the step is undone by {new['type']}"
        yield Change(path, ChangeKind.ADDED, Verdict.AFFECTS_WAITING_RUNS, text)
    elif old is not None and new is None:
        yield Change(path, ChangeKind.REMOVED, Verdict.BREAKING, f"the step is undone by {old['type']} no more")
    elif old is not None and new is not None:
        yield from _step(path, old, new, in_loop=False)


def _values(path: str, old: Json, new: Json, judge: _Judge) -> Iterator[Change]:
    """Changes inside two values, down to what is no object."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key, before, after in _pairs(old, new, absent=_ABSENT):
            yield from _values(f"{path}.{key}" if path else key, before, after, judge)
    elif old is _ABSENT:
        yield Change(path, ChangeKind.ADDED, judge(path), f"is {_shown(new)}")
    elif new is _ABSENT:
        yield Change(path, ChangeKind.REMOVED, judge(path), f"was {_shown(old)}")
    elif old != new or isinstance(old, bool) != isinstance(new, bool):
        yield Change(path, ChangeKind.CHANGED, judge(path), _from_to(old, new))


_ABSENT: Final[Any] = object()


def _pairs(old: _Wire, new: _Wire, absent: Any = None) -> Iterator[tuple[str, Any, Any]]:
    for key in dict.fromkeys((*old, *new)):
        yield key, old.get(key, absent), new.get(key, absent)


def _only(wire: _Wire, fields: Sequence[str]) -> dict[str, Any]:
    return {name: wire[name] for name in fields if name in wire}


def _order(keys: _Wire, others: _Wire) -> list[str]:
    return [key for key in keys if key in others]


def _from_to(old: Json, new: Json) -> str:
    return f"from {_shown(old)} to {_shown(new)}"


def _shown(value: Json) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"

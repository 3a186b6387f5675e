"""Forks of random histories: which rows a fork must keep, by plain recursion, and the forked run played to its end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from floworch.core.engine.inheritance import inheritance_of
from floworch.core.machine.forks import Inheritance
from floworch.core.machine.progress import GroupProgress, UntilProgress
from floworch.core.machine.rewind import rewind
from floworch.core.machine.state import SkipKind
from floworch.core.model.payload import Json, PayloadKind, PayloadRef
from floworch.core.model.records import StepRecord
from floworch.core.model.status import StepStatus
from floworch.errors import InvalidTransition
from tests.simulation.ledger import Ledger
from tests.simulation.specs import FlowSpec, spec_of

if TYPE_CHECKING:
    from tests.simulation.player import Player

__all__ = ["blocks_around", "fork_and_play", "forkable_keys", "is_forkable", "kept_keys"]

_SOURCE = UUID(int=1)
_KINDS = (PayloadKind.INPUT, PayloadKind.OUTPUT, PayloadKind.ERROR, PayloadKind.ITEMS)


def forkable_keys(player: Player) -> list[str]:
    """Steps that have begun, and those of the flow itself."""
    return list(dict.fromkeys([*player.ledger.rows, *(spec.key for spec in player.story.flow.steps)]))


def fork_and_play(player: Player, from_step: str, forked: Player) -> None:
    """Fork the run as it is now, and bring the fork, with nothing done yet, to its end."""
    source, flow = player.ledger, player.story.flow
    if not is_forkable(source, from_step):
        with pytest.raises(InvalidTransition):
            rewind(player.desk.plan, source.rows, from_step, _stopped_at(player))
        return
    inherited = _inheritance(player, from_step)
    around = set(blocks_around(from_step))
    assert set(inherited.rows) == kept_keys(flow, source, from_step, _stopped_at(player))
    _prepare(forked, source, inherited, from_step)
    forked.desk.now = player.desk.now
    forked.begin_fork(inherited)
    _check_taken_over(source, forked.ledger, inherited, around)
    forked.drain()
    forked.check_against_oracle()
    _check_taken_over(source, forked.ledger, inherited, around)
    again = set(forked.executions) & (set(inherited.rows) - around)
    assert not again, f"{again} ran again"


def kept_keys(flow: FlowSpec, source: Ledger, from_step: str, stopped_at: datetime | None) -> set[str]:
    """Keys of the steps that a fork takes over."""
    around = set(blocks_around(from_step))
    past = tuple(_past_iterations(source, from_step))
    ended = {key for key in source.rows if _has_ended(source, key, stopped_at) or key.startswith(past)}
    return {key for key in source.rows if _is_kept(flow, ended, source, key, from_step, around)}


def _inheritance(player: Player, from_step: str) -> Inheritance:
    source = player.ledger
    rewound = rewind(player.desk.plan, source.rows, from_step, _stopped_at(player))
    payloads = source.payloads(PayloadRef(kind, key) for key in rewound.steps for kind in _KINDS)
    records = {key: StepRecord(key, "Work", row.status, row.attempt) for key, row in source.rows.items()}
    settled = set(rewound.settled)
    assert settled <= source.settled
    in_sight = {key.rpartition(".")[0] for key in rewound.steps} & source.settled - settled
    assert all(f"{scope}.".startswith(tuple(f"{each}." for each in rewound.open if each)) for scope in in_sight)
    return inheritance_of(player.desk.plan, _SOURCE, rewound, payloads, records, {})


def _prepare(forked: Player, source: Ledger, inherited: Inheritance, from_step: str) -> None:
    """What the oracle and the laws have to know."""
    around = set(blocks_around(from_step))
    ends = source.results()
    # What had ended there, or was reopened, goes on beside the iterations that the loops had in flight.
    forked.ledger.reopened |= source.reopened | source.settled
    forked.pinned = {key: ends[key] for key in inherited.rows if key not in around}
    for key in around:
        row = source.rows[key]
        forked.begun[key] = source.items[key].value if row.loop is not None else None
        if isinstance(row.progress, UntilProgress):
            forked.counted_from[key] = row.progress.counted_from


def _check_taken_over(source: Ledger, forked: Ledger, inherited: Inheritance, around: set[str]) -> None:
    for key in inherited.rows:
        if key not in around:
            assert forked.rows[key] == source.rows[key]
            assert forked.outputs.get(key) == source.outputs.get(key)
            assert _told_error(forked, key) == _told_error(source, key)
        assert forked.items.get(key) == source.items.get(key)


def _told_error(ledger: Ledger, key: str) -> Json:
    """What a store keeps of the error."""
    error = ledger.errors.get(key)
    return None if error is None else error.to_json()


def is_forkable(source: Ledger, from_step: str) -> bool:
    """Nothing has followed from how the scopes around the step have ended."""
    parts = from_step.split(".")
    for end in range(1, len(parts), 2):
        progress = source.rows[".".join(parts[:end])].progress
        if isinstance(progress, GroupProgress) and (parts[end] != "steps" or progress.phase != "steps"):
            return False
        if isinstance(progress, UntilProgress) and int(parts[end]) != progress.started - 1:
            return False
    return True


def blocks_around(key: str) -> Iterator[str]:
    """Keys of the blocks that the step is inside of, outermost first."""
    parts = key.split(".")
    return (".".join(parts[:end]) for end in range(1, len(parts), 2))


def _past_iterations(source: Ledger, from_step: str) -> Iterator[str]:
    """How the keys of steps begin that are in iterations from which loops with a condition have gone on."""
    for key in blocks_around(from_step):
        progress = source.rows[key].progress
        if isinstance(progress, UntilProgress):
            yield from (f"{key}.{index}." for index in range(progress.started - 1))


def _is_kept(flow: FlowSpec, ended: set[str], source: Ledger, key: str, from_step: str, around: set[str]) -> bool:
    levels = [level for level in (*blocks_around(key), key) if level not in around]
    return not any(_begins_anew(flow, ended, source, level, from_step, around) for level in levels)


def _begins_anew(flow: FlowSpec, ended: set[str], source: Ledger, key: str, from_step: str, around: set[str]) -> bool:
    """The step itself, what has not ended with all that is inside it, and what runs after any of those or the blocks
    around the step."""
    if key == from_step:
        return True
    inside = [name for name in source.rows if name == key or name.startswith(f"{key}.")]
    if key not in around and not ended.issuperset(inside):
        return True
    scope = key.rpartition(".")[0]
    before = [f"{scope}.{name}" if scope else name for name, _ in spec_of(flow, key).run_after]
    return any(name in around or _begins_anew(flow, ended, source, name, from_step, around) for name in before)


def _has_ended(source: Ledger, key: str, stopped_at: datetime | None) -> bool:
    row = source.rows[key]
    was_stopped = isinstance(row.progress, GroupProgress) and row.progress.body == "Stopped"
    if stopped_at is not None and row.status is StepStatus.FAILED and row.ended_at is not None:
        was_stopped |= row.ended_at >= stopped_at
    return row.is_final and row.skip is not SkipKind.RUN_STOPPED and not was_stopped


def _stopped_at(player: Player) -> datetime | None:
    stop = player.desk.row[2]
    return None if stop is None else stop.at

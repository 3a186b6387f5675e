"""Which of several failed steps a retry of all of them begins with, told from the rows alone."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence

from floworch.core.machine.state import SkipKind
from tests.simulation.ledger import Ledger
from tests.simulation.specs import FlowSpec, cleans_up, spec_of, steps_of_scope

__all__ = ["first_of", "has_active_steps_behind", "is_before_its_turn", "is_read", "resumed_keys"]

_READ = re.compile(r"Read\(what='\w+', name='(\w+)'")


def first_of(flow: FlowSpec, ledger: Ledger, keys: Sequence[str]) -> list[str]:
    """Those of the steps that run now: none that another one is inside of, and none that would have to wait for another
    one, unless it never began before and so can wait, or cleans up."""
    again = {level for key in keys for level in _levels(key)}
    return [
        key
        for key in keys
        if not any(other.startswith(f"{key}.") for other in keys)
        and (cleans_up(key) or not any(_waits(flow, ledger, key, level, again) for level in _levels(key)))
    ]


def has_active_steps_behind(flow: FlowSpec, ledger: Ledger, key: str) -> bool:
    """Whether a step that runs after this one, or after a block around it, is at work."""
    return any(_has_active_steps_after(flow, ledger, level) for level in _levels(key))


def is_before_its_turn(flow: FlowSpec, ledger: Ledger, key: str) -> bool:
    """Whether something that the step, or a block around it, runs after has not ended, or only because of a stop."""
    begun = [level for level in _levels(key) if level != key or ledger.rows[key].attempt]
    rows = (ledger.rows.get(name) for level in begun for name in _before(flow, level))
    return not cleans_up(key) and any(
        row is None or not row.is_final or row.skip is SkipKind.RUN_STOPPED for row in rows
    )


def is_read(flow: FlowSpec, keys: Iterable[str]) -> bool:
    """Whether a condition or a loop may read one of the steps, or a block around one."""
    names = {name for key in keys for name in key.split(".")}
    return not names.isdisjoint(_READ.findall(repr(flow)))


def resumed_keys(ledger: Ledger, keys: Collection[str], again: Iterable[str]) -> list[str]:
    """Those of the steps decided anew by a retry of ``keys`` that run again whatever has become of what they run after:
    the retried ones, and those that only a stop has kept from going on."""
    rows = {key: ledger.rows[key] for key in again}
    return [
        key
        for key, row in rows.items()
        if row.attempt and not row.is_block and (key in keys or row.skip is SkipKind.RUN_STOPPED)
    ]


def _has_active_steps_after(flow: FlowSpec, ledger: Ledger, key: str) -> bool:
    scope, _, own = key.rpartition(".")
    behind: set[str] = set()
    frontier = {own}
    steps = steps_of_scope(flow, scope)
    while frontier := {spec.key for spec in steps if frontier & dict(spec.run_after).keys()} - behind:
        behind |= frontier
    rows = (ledger.rows.get(f"{scope}.{name}" if scope else name) for name in behind)
    return any(row is not None and not row.is_final for row in rows)


def _levels(key: str) -> Iterator[str]:
    """The step, and the blocks around it."""
    parts = key.split(".")
    return (".".join(parts[:end]) for end in range(len(parts), 0, -2))


def _waits(flow: FlowSpec, ledger: Ledger, key: str, level: str, again: set[str]) -> bool:
    if level == key and ledger.rows[key].attempt == 0:
        return False
    return _is_behind(flow, level, again)


def _is_behind(flow: FlowSpec, key: str, again: set[str]) -> bool:
    return any(name in again or _is_behind(flow, name, again) for name in _before(flow, key))


def _before(flow: FlowSpec, key: str) -> list[str]:
    """What the step runs after."""
    scope = key.rpartition(".")[0]
    return [f"{scope}.{name}" if scope else name for name, _ in spec_of(flow, key).run_after]

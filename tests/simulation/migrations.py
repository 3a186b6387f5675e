"""Runs that are moved to other versions of their flow, at every moment that chance picks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

from floworch.core.dag.compile import compile_manifest
from floworch.core.dag.plan import FlowPlan
from floworch.core.machine.commands import MigrateRun
from floworch.core.model.status import RunStatus, StepStatus
from tests.simulation.manifests import manifest_of, plan_of
from tests.simulation.specs import ANY, FlowSpec, StepSpec

if TYPE_CHECKING:
    from tests.simulation.player import Player

__all__ = ["moves_of_versions"]


def moves_of_versions(player: Player) -> Iterator[Callable[[], None]]:
    """A version that says the same, one with more to do, one with less, and one that does not fit."""
    if player.state.status is not RunStatus.RUNNING:
        yield lambda: player.desk.expect_refusal(MigrateRun(_noted(player.story.flow, "too late")))
        return
    yield lambda: _move_to_equal(player)
    yield lambda: _add_a_step(player)
    if unneeded := _unneeded(player, has_begun=False):
        yield lambda: _move(player, _without(player.story.flow, unneeded[0]))
    if begun := _unneeded(player, has_begun=True):
        yield lambda: player.desk.expect_refusal(MigrateRun(plan_of(_without(player.story.flow, begun[0]))))


def _move_to_equal(player: Player) -> None:
    rows = dict(player.ledger.rows)
    _send(player, _noted(player.story.flow, f"at {player.desk.now}"))
    assert player.ledger.rows == rows, "a version that says the same has changed a step"


def _add_a_step(player: Player) -> None:
    """One that begins at once, or one that runs after another step."""
    steps = player.story.flow.steps
    before = player._pick(len(steps) + 1)
    accepted = (ANY, frozenset({StepStatus.SUCCEEDED}))[player._pick(2)]
    run_after = () if before == len(steps) else ((steps[before].key, accepted),)
    taken = {spec.key for spec in steps}
    key = next(name for name in (f"new{number}" for number in count()) if name not in taken)
    new = StepSpec(key, run_after)
    _move(player, replace(player.story.flow, steps=(*steps, new)))


def _move(player: Player, flow: FlowSpec) -> None:
    player.ledger.flow = flow
    player.story = replace(player.story, flow=flow)
    _send(player, plan_of(flow))


def _send(player: Player, plan: FlowPlan) -> None:
    player.send(MigrateRun(plan))
    player.desk.plan = plan
    player.desk.expect_refusal(MigrateRun(plan))


def _unneeded(player: Player, *, has_begun: bool) -> list[str]:
    """Keys of steps of the flow itself that no other one runs after, nor reads."""
    steps = player.story.flow.steps
    needed = {name for spec in steps for name, _ in spec.run_after}
    keys = [spec.key for spec in steps if spec.key.startswith("new") and spec.key not in needed]
    return [key for key in keys if (key in player.ledger.rows) is has_begun and len(steps) > 1]


def _without(flow: FlowSpec, key: str) -> FlowSpec:
    return replace(flow, steps=tuple(spec for spec in flow.steps if spec.key != key))


def _noted(flow: FlowSpec, note: str) -> FlowPlan:
    """The flow with words for people, and so with another hash."""
    manifest = manifest_of(flow)
    first, *others = manifest.steps.items()
    noted = {first[0]: first[1].model_copy(update={"description": note}), **dict(others)}
    plan = plan_of(flow)
    return compile_manifest(
        plan.flow_id, plan.flow_name, plan.version, manifest.model_copy(update={"steps": noted}), {"ask"}
    )

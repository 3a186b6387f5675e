"""What people do with a run: suspend it, resume it, and decide about its steps, at every moment that chance picks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from floworch.core.machine.commands import (
    CompleteStep,
    FailStep,
    Override,
    ResumeRun,
    RunStepNow,
    SkipStep,
    SuspendRun,
)
from floworch.core.machine.state import WaitKind
from floworch.core.machine.transition import Fact
from floworch.core.model.payload import Payload
from floworch.core.model.status import RunStatus, StepStatus
from tests.simulation.child_runs import child_of, waits_for_child
from tests.simulation.ledger import Ledger
from tests.simulation.oracle import Result

if TYPE_CHECKING:
    from tests.simulation.player import Player

__all__ = ["check_suspensions", "moves_of_operators", "resume"]

_BY_HAND = {"kind": "by hand"}
_FOR_A_TIME = (WaitKind.RETRY, WaitKind.DEFERRED, WaitKind.ITERATION)


def moves_of_operators(player: Player) -> Iterator[Callable[[], None]]:
    """What somebody may do now, and what makes no sense now and is refused."""
    if player.state.status is not RunStatus.RUNNING:
        yield lambda: _expect_no_suspension(player)
        return
    yield lambda: _suspend(player)
    if player.desk.state.suspension is not None:
        yield lambda: resume(player)
        yield lambda: resume(player)
    rows = player.ledger.rows
    open_steps = [key for key, row in rows.items() if not row.is_final]
    if own := [key for key in open_steps if not rows[key].is_block]:
        yield lambda: _end_by_hand(player, own)
    if open_steps:
        yield lambda: _run_now(player, open_steps)
    yield lambda: _expect_refused_overrides(player)


def check_suspensions(ledger: Ledger, facts: list[Fact], *, is_suspended: bool) -> None:
    """No worker has started a step while the run was suspended; what would be ready waits, and only then."""
    suspended = False
    for fact in facts:
        kind = fact["type"]
        assert not (suspended and kind == "step.started" and "worker" in fact), f"{fact} in a suspended run"
        assert not (suspended and kind == "step.ready"), f"{fact} in a suspended run"
        suspended = kind == "run.suspended" or (
            suspended and kind not in ("run.resumed", "run.stop_requested", "run.completed")
        )
    assert suspended == is_suspended
    wrong = StepStatus.READY if is_suspended else WaitKind.SUSPENDED
    assert wrong not in {value for row in ledger.rows.values() for value in (row.status, row.wait)}


def resume(player: Player) -> None:
    """Let the run go on."""
    waiting = {key for key, row in player.ledger.rows.items() if row.wait is WaitKind.SUSPENDED}
    player.send(ResumeRun())
    assert waiting == set(player.desk.last.steps)
    player.desk.expect_refusal(ResumeRun())


def _suspend(player: Player) -> None:
    command = SuspendRun("wait a moment", "Ann")
    if player.desk.state.suspension is None and player.state.stop is None:
        ready = {key for key, row in player.ledger.rows.items() if row.status is StepStatus.READY}
        player.send(command)
        assert ready == set(player.desk.last.steps)
    player.desk.expect_refusal(command)


def _expect_no_suspension(player: Player) -> None:
    for command in (SuspendRun(), ResumeRun()):
        player.desk.expect_refusal(command)


def _end_by_hand(player: Player, keys: list[str]) -> None:
    key = keys[player._pick(len(keys))]
    row = player.ledger.rows[key]
    command, result = _ending(player, key)
    if waits_for_child(row):
        player.children.let_go.add(child_of(row))
    player.overridden[key] = result
    player.send(command)
    assert player.ledger.results()[key] == result
    assert player.desk.interrupted == ([key] if row.status is StepStatus.RUNNING else [])
    player.desk.expect_refusal(command)


def _ending(player: Player, key: str) -> tuple[Override, Result]:
    match player._pick(3):
        case 0:
            return CompleteStep(key, Payload.of(_BY_HAND)), Result(StepStatus.SUCCEEDED, _BY_HAND, shown=True)
        case 1:
            return SkipStep(key, "not needed", "Ann"), Result(StepStatus.SKIPPED, why="operator")
        case _:
            return FailStep(key, "hopeless", "Ann"), Result(StepStatus.FAILED, why="FailedByOperator")


def _run_now(player: Player, keys: list[str]) -> None:
    key = keys[player._pick(len(keys))]
    row, command = player.ledger.rows[key], RunStepNow(key, "Ann")
    if player.desk.state.suspension is None and row.status is StepStatus.PENDING and row.wait in _FOR_A_TIME:
        player.send(command)
        assert player.ledger.rows[key] != row
    else:
        player.desk.expect_refusal(command)


def _expect_refused_overrides(player: Player) -> None:
    """Of steps that have ended, of blocks, and of steps that have not begun."""
    rows = player.ledger.rows
    unsuitable = [key for key, row in rows.items() if row.is_final or row.is_block]
    unsuitable += [spec.key for spec in player.story.flow.steps if spec.key not in rows]
    if unsuitable:
        command, _ = _ending(player, unsuitable[player._pick(len(unsuitable))])
        player.desk.expect_refusal(command)

"""The steps of a run as rows: which ones, in which order, and with which words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from floworch.cli.progress import RunProgress, StepProgress
from floworch.cli.words import duration_words, local_time, plural, short
from floworch.core.dag.keys import CATCH, COMPENSATE, FINALLY, STEPS
from floworch.core.model.records import StepRecord
from floworch.core.model.status import StepStatus

__all__ = ["StepRow", "progress_rows", "record_rows"]

_INNER_ROWS = 6
"""Steps inside a block that are shown at once; the rest is counted."""
_BRANCHES = (STEPS, COMPENSATE, CATCH, FINALLY)


@dataclass(frozen=True, slots=True)
class StepRow:
    """One line of a table of steps. ``status`` None: it waits; ``is_summary``: it stands for several steps."""

    name: str
    type: str = ""
    status: StepStatus | None = None
    attempt: int = 0
    elapsed: str = ""
    note: str = ""
    depth: int = 0
    total: int | None = None
    done: int = 0
    is_summary: bool = False


def progress_rows(progress: RunProgress, now: datetime, height: int | None = None) -> list[StepRow]:
    """Steps of the flow with what is under way inside them, in at most ``height`` rows."""
    rows: list[StepRow] = []
    for step in progress.top.values():
        rows.append(_row(step, step.key, 0, now))
        rows += _inner_rows(progress.inside(step.key), step.key, now)
    return rows if height is None else _fitted(rows, max(height, 3))


def record_rows(steps: Iterable[StepRecord], now: datetime, *, everything: bool) -> list[StepRow]:
    """Stored steps as a tree. Without ``everything``, of the steps inside loops only those under way or failed."""
    known = list(steps)
    places = {step.key: place for place, step in enumerate(known)}
    shown = [step for step in known if everything or not _is_in_loop(step.key) or _is_notable(step)]
    shown.sort(key=lambda step: _tree_place(step.key, places))
    return [_row(_progress(step), _name_inside(step.key), step.key.count(".") // 2, now) for step in shown]


def _is_in_loop(key: str) -> bool:
    return any(branch.isdigit() for branch in key.split(".")[1::2])


def _is_notable(step: StepRecord) -> bool:
    return step.status not in (StepStatus.SUCCEEDED, StepStatus.SKIPPED)


def _tree_place(key: str, places: dict[str, int]) -> list[int]:
    """Blocks by when they became ready, their branches in the order in which they run, and in each the steps by when
    they became ready."""
    parts = key.split(".")
    place: list[int] = []
    for depth in range(0, len(parts), 2):
        place.append(places.get(".".join(parts[: depth + 1]), 0))
        place += map(_branch_place, parts[depth + 1 : depth + 2])
    return place


def _branch_place(branch: str) -> int:
    return int(branch) if branch.isdigit() else _BRANCHES.index(branch)


def _name_inside(key: str) -> str:
    """``months.3.charge`` → ``[3] charge``, ``payment.catch.refund`` → ``[catch] refund``."""
    parts = key.split(".")
    return key if len(parts) < 3 else f"[{parts[-2]}] {parts[-1]}"


def _progress(step: StepRecord) -> StepProgress:
    loop = step.loop or {}
    return StepProgress(
        key=step.key,
        type=step.type,
        status=step.status,
        attempt=step.attempt,
        started_at=step.started_at,
        ended_at=step.ended_at,
        due_at=step.due_at,
        note=step.reason or _under_way(step),
        waits_for=_signals(step),
        total=loop.get("total"),
        done=sum(loop.get(outcome, 0) for outcome in ("succeeded", "failed", "skipped")),
    )


def _under_way(step: StepRecord) -> str | None:
    """What the step has come to, where that is not its attempts: a run, or iterations whose total nobody knows."""
    if step.reused_from:
        return "taken over"
    if step.child_run_id:
        return f"run {step.child_run_id}"
    progress = step.progress or {}
    if progress.get("kind") == "poll" and not step.status.is_final:
        return f"{plural(progress['polls'], 'poll')} so far"
    return plural(progress["started"], "iteration") if progress.get("kind") == "until" else None


def _signals(step: StepRecord) -> Sequence[str]:
    if step.status is not StepStatus.PENDING or step.progress is None or step.progress["kind"] != "signal":
        return ()
    names: Sequence[str] = step.progress["names"]
    return names


def _inner_rows(steps: Sequence[StepProgress], loop_key: str, now: datetime) -> list[StepRow]:
    shown = sorted(steps, key=lambda step: step.status is StepStatus.FAILED)[:_INNER_ROWS]
    rows = [_row(step, step.key.removeprefix(f"{loop_key}."), 1, now) for step in shown]
    return [*rows, *_rest(len(steps) - len(shown), " inside", depth=1)]


def _row(step: StepProgress, name: str, depth: int, now: datetime) -> StepRow:
    return StepRow(
        name=name,
        type=step.type,
        status=step.status,
        attempt=step.attempt,
        elapsed=_elapsed(step, now),
        note=_note(step, now),
        depth=depth,
        total=step.total,
        done=step.done,
    )


def _elapsed(step: StepProgress, now: datetime) -> str:
    if step.started_at is None or step.status in (None, StepStatus.READY, StepStatus.PENDING):
        return ""
    return duration_words((step.ended_at or now) - step.started_at)


def _note(step: StepProgress, now: datetime) -> str:
    if step.waits_for:
        return _waiting(step, now)
    reason = short(step.note) if step.note else ""
    if step.status is not StepStatus.PENDING or step.due_at is None:
        return reason
    due = f"goes on in {duration_words(step.due_at - now)}"
    return f"{due}: {reason}" if reason else due


def _waiting(step: StepProgress, now: datetime) -> str:
    names = short(", ".join(map(repr, step.waits_for)))
    since = f" since {local_time(step.started_at)}" if step.started_at else ""
    limit = f", gives up in {duration_words(step.due_at - now)}" if step.due_at else ""
    return f"waits for {names}{since}{limit}"


def _fitted(rows: list[StepRow], height: int) -> list[StepRow]:
    """Prefers what is under way or failed, then what comes next, then what went well last. The order stays."""
    if len(rows) <= height:
        return rows
    by_interest = sorted(range(len(rows)), key=lambda place: _interest(rows[place], place))
    kept = sorted(by_interest[: height - 1])
    return [*(rows[place] for place in kept), *_rest(len(rows) - len(kept))]


def _interest(row: StepRow, place: int) -> tuple[int, int]:
    if row.status in (StepStatus.RUNNING, StepStatus.PENDING, StepStatus.FAILED):
        return (0, place)
    return (2, -place) if row.status in (StepStatus.SUCCEEDED, StepStatus.SKIPPED) else (1, place)


def _rest(count: int, words: str = "", depth: int = 0) -> list[StepRow]:
    return [StepRow(f"… {plural(count, 'more step')}{words}", depth=depth, is_summary=True)] if count > 0 else []

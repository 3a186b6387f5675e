from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floworch.core.ports.fairness import FairQueue, fair_order
from floworch.core.ports.storage import ReadyStep

START = datetime(2026, 3, 1, tzinfo=UTC)


def step(number: int, flow: int = 0, priority: int = 0, attempt: int = 0) -> ReadyStep:
    return ReadyStep(UUID(int=number), "step", attempt, "Work", UUID(int=flow), priority)


def taken(*steps: ReadyStep) -> list[int]:
    queue = FairQueue()
    for each in steps:
        queue.put(each)
    return [queue.take().run_id.int for _ in range(len(queue))]


def test_steps_of_one_flow_are_taken_in_the_order_in_which_they_came() -> None:
    assert taken(step(3), step(1), step(2)) == [3, 1, 2]


def test_flows_take_turns() -> None:
    assert taken(step(1), step(2), step(3), step(4, flow=1), step(5, flow=2)) == [1, 4, 5, 2, 3]


def test_a_higher_priority_goes_first_whatever_the_flow() -> None:
    assert taken(step(1), step(2, flow=1, priority=9), step(3, flow=1, priority=9), step(4, priority=-1)) == [
        2,
        3,
        1,
        4,
    ]


def test_a_step_is_queued_once_per_attempt() -> None:
    assert taken(step(1), step(1), step(1, attempt=1)) == [1, 1]


def test_a_step_that_was_taken_can_be_queued_again() -> None:
    queue = FairQueue()
    queue.put(step(1))
    queue.take()
    queue.put(step(1))
    assert len(queue) == 1


def test_an_empty_queue_has_nothing_to_take() -> None:
    queue = FairQueue()
    queue.put(step(1))
    queue.clear()
    assert len(queue) == 0
    with pytest.raises(ValueError, match="empty"):
        queue.take()


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(-1, 1), st.integers(0, 50)), max_size=40))
def test_no_flow_is_a_turn_ahead_of_another_that_waits(rows: list[tuple[int, int, int]]) -> None:
    steps = [
        (START + timedelta(seconds=seconds), step(number, flow, priority))
        for number, (flow, priority, seconds) in enumerate(rows)
    ]
    order = fair_order(steps)
    assert sorted(each.run_id.int for each in order) == list(range(len(rows)))
    assert [each.priority for each in order] == sorted((each.priority for each in order), reverse=True)
    for position, each in enumerate(order):
        rest = [other for other in order[position:] if other.priority == each.priority]
        served = [other for other in order[:position] if other.priority == each.priority]
        turns = {flow: sum(other.flow_id == flow for other in served) for flow in {other.flow_id for other in rest}}
        assert turns[each.flow_id] == min(turns.values())

from __future__ import annotations

from uuid import UUID

from floworch.core.engine.queue import RequestQueue
from floworch.core.engine.reply import Reply
from floworch.core.engine.requests import Commanding, Request
from floworch.core.machine.commands import TimerFired


def request(run: int, *, alone: bool = False) -> Commanding:
    return Commanding(UUID(int=run), TimerFired("a", 1), None, Reply(), alone=alone)


def filled(*requests: Request, largest: int = 10, lanes: int = 2) -> RequestQueue:
    queue = RequestQueue(largest, lanes)
    for each in requests:
        queue.put(each)
    return queue


async def test_a_batch_is_what_came_first_and_no_larger_than_allowed() -> None:
    first, second, third = request(1), request(2), request(3)
    queue = filled(first, second, third, largest=2)
    assert queue.take() == [first, second]
    assert queue.take() == [third]
    assert queue.take() == []


async def test_requests_of_one_run_share_a_batch_in_their_order() -> None:
    first, other, second = request(1), request(2), request(1)
    assert filled(first, other, second).take() == [first, other, second]


async def test_a_run_in_a_batch_under_way_is_in_no_other_one() -> None:
    first = request(1)
    queue = filled(first)
    batch = queue.take()
    second, other, third = request(1), request(2), request(1)
    for each in (second, other, third):
        queue.put(each)
    assert queue.take() == [other]
    assert len(queue) == 2
    queue.is_back(batch)
    assert queue.take() == [second, third]


async def test_what_waited_for_a_run_stays_behind_what_is_done_again() -> None:
    first, second = request(1), request(1)
    queue = filled(first)
    batch = queue.take()
    queue.put(second)
    assert queue.take() == []
    queue.is_back(batch)
    queue.put_first([first])
    assert queue.take() == [first, second]


async def test_the_rest_of_a_run_waits_when_its_batch_is_full() -> None:
    first, second = request(1), request(1)
    queue = filled(first, second, largest=1)
    batch = queue.take()
    assert queue.take() == []
    queue.is_back(batch)
    assert queue.take() == [second]


async def test_free_lanes_share_what_waits() -> None:
    requests = [request(run) for run in range(200)]
    queue = filled(*requests, largest=200)
    assert queue.take(2) == requests[:100]
    assert queue.take() == requests[100:]


async def test_a_few_requests_are_not_shared_out() -> None:
    requests = [request(run) for run in range(20)]
    assert filled(*requests, largest=200).take(2) == requests


async def test_the_requests_of_one_run_are_not_shared_out() -> None:
    requests = [request(1) for _ in range(100)]
    assert filled(*requests, largest=200).take(2) == requests


async def test_a_request_that_must_be_alone_is_and_keeps_its_place() -> None:
    first, alone, last = request(1), request(2, alone=True), request(3)
    queue = filled(first, alone, last)
    assert [queue.take(), queue.take(), queue.take()] == [[first], [alone], [last]]


async def test_everything_is_found_in_the_end() -> None:
    first, second, third = request(1), request(1), request(2)
    queue = filled(first)
    queue.take()
    queue.put(second)
    queue.take()
    queue.put(third)
    assert queue.take_all() == [third]
    queue.put(third)
    assert queue.abandon() == [second, third]
    assert len(queue) == 0

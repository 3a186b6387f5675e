"""The blocking facade runs an event loop of its own, on real time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from floworch import ConfigurationError, FlowDefinition, FlowOrchestrator, Step, WaitTimeout
from tests.engine.workbench import FLOW_ID, chain, flow_of


def blocking(flow: FlowDefinition) -> FlowOrchestrator:
    def work() -> str:
        return "done"

    builder = FlowOrchestrator.builder().use_in_memory().use_asyncio_runtime(8)
    return builder.add_flow(flow).add_handlers("Work", work).build()


def test_runs_are_started_and_waited_for_from_many_threads() -> None:
    with blocking(flow_of(chain("Work", "Work"))).sync as flows, ThreadPoolExecutor(8) as threads:
        results = list(threads.map(lambda _: flows.trigger(FLOW_ID).wait(timeout=30), range(40)))
    assert all(result.succeeded for result in results)


def test_events_can_be_followed_to_the_end() -> None:
    with blocking(flow_of(chain("Work"))).sync as flows:
        kinds = [event.type for event in flows.trigger(FLOW_ID).events()]
    assert (kinds[0], kinds[-1]) == ("run.started", "run.completed")


def test_waiting_gives_up_after_its_timeout() -> None:
    flow = flow_of({"a": Step(type="Delay", inputs={"seconds": 1000})})
    with blocking(flow).sync as flows, pytest.raises(WaitTimeout):
        flows.trigger("Tested").wait(timeout=0.01)


def test_calls_before_the_start_and_after_the_stop_say_what_to_do() -> None:
    flows = blocking(flow_of(chain("Work"))).sync
    with pytest.raises(ConfigurationError, match="start it first"):
        flows.trigger(FLOW_ID)
    with flows:
        pass
    with pytest.raises(ConfigurationError, match="start it first"):
        flows.trigger(FLOW_ID)

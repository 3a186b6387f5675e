"""User data comes back as it went in."""

from __future__ import annotations

import pytest

from floworch.core.machine.block_output import state_payload
from floworch.core.machine.progress import LoopProgress, progress_to_json
from floworch.core.model.payload import Payload, PayloadKind, PayloadRef
from floworch.core.model.records import StepError
from floworch.core.model.status import StepStatus
from floworch.core.ports.storage import Storage
from tests.contracts.storage.builders import (
    ERROR,
    advance,
    claim,
    commit_advance,
    commit_claim,
    commit_steps,
    create,
    creation,
    insert,
    overwrite,
    run_id,
    state,
)

BODY = PayloadRef(PayloadKind.BODY)
HEADERS = PayloadRef(PayloadKind.HEADERS)
OUTPUT = PayloadRef(PayloadKind.OUTPUT, "a")
ITEMS = PayloadRef(PayloadKind.ITEMS, "a")
DONE = state(StepStatus.SUCCEEDED, 1)
MEBIBYTE = "x" * (1 << 20)

TEXTS = {
    "null": "null",
    "empty object": "{}",
    "empty text": '""',
    "big integer": "123456789012345678901234567890123456789",
    "many digits": "0.1000000000000000055511151231257827",
    "unicode": '"Straße Ω 漢字 😴 \u202e"',
    "escapes": r'"\"\\\n\t\u0001 \u2028"',
    "looks like SQL": '"\'; DROP TABLE step; -- %s %(x)s :name ? {}"',
    "looks like an array": '"{1,NULL,\\"x\\"}"',
    "looks like a reference": '"@"',
    "order of keys": '{"b":1,"a":2}',
    "just inline": f'"{"x" * (16 * 1024 - 2)}"',
    "just too long": f'"{"x" * (16 * 1024 - 1)}"',
    "one mebibyte": f'"{MEBIBYTE}"',
    "long unicode": f'"{"😴" * 20_000}"',
}
each_text = pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)


@each_text
async def test_body_and_headers_come_back(storage: Storage, text: str) -> None:
    await create(storage, creation(body=Payload(text), headers=Payload(f"[{text}]")))
    found = await storage.load_payloads(run_id(1), [BODY, HEADERS])
    assert found == {BODY: Payload(text), HEADERS: Payload(f"[{text}]")}


@each_text
async def test_an_output_comes_back(storage: Storage, text: str) -> None:
    await create(storage)
    await commit_steps(storage, 1, a=overwrite((StepStatus.READY, 0), DONE, output=Payload(text)))
    assert await storage.load_payloads(run_id(1), [OUTPUT]) == {OUTPUT: Payload(text)}
    assert await storage.load_outputs(run_id(1), "a") == {"a": Payload(text)}


@each_text
async def test_the_items_of_a_loop_come_back(storage: Storage, text: str) -> None:
    await create(storage, creation(loop_items={"a": Payload(f"[{text}]")}))
    assert await storage.load_payloads(run_id(1), [ITEMS]) == {ITEMS: Payload(f"[{text}]")}


@pytest.mark.parametrize("size", [10, 100_000])
async def test_input_error_and_trace_come_back(storage: Storage, size: int) -> None:
    error = StepError("ValueError", "é" * size, "Traceback\n  …", retryable=False)
    change = insert(
        DONE, input=Payload(f'"{"i" * size}"'), output=Payload("[1]"), error=error, trace=[{"t": "t" * size}]
    )
    await create(storage, creation(steps={"a": change}))
    [record] = await storage.list_steps(run_id(1), payloads=True)
    assert (record.input, record.output, record.trace) == ("i" * size, [1], [{"t": "t" * size}])
    assert record.error == error.to_json()


async def test_payloads_that_do_not_exist_are_none(storage: Storage) -> None:
    await create(storage, creation(body=None))
    refs = [
        BODY,
        HEADERS,
        OUTPUT,
        ITEMS,
        PayloadRef(PayloadKind.ERROR, "a"),
        PayloadRef(PayloadKind.OUTPUT, "nonesuch"),
    ]
    assert await storage.load_payloads(run_id(1), refs) == dict.fromkeys(refs)


async def test_null_is_a_payload(storage: Storage) -> None:
    await create(storage, creation(body=Payload("null"), headers=None))
    assert await storage.load_payloads(run_id(1), [BODY, HEADERS]) == {BODY: Payload("null"), HEADERS: None}


async def test_payloads_of_an_unknown_run_do_not_exist(storage: Storage) -> None:
    assert await storage.load_payloads(run_id(1), [BODY, OUTPUT]) == {BODY: None, OUTPUT: None}


async def test_payloads_belong_to_their_run_and_step(storage: Storage) -> None:
    for number in (1, 2):
        steps = {key: insert(DONE, output=Payload(f'"{number}{key}"')) for key in ("a", "b")}
        await create(storage, creation(number, steps=steps, body=Payload(f"{number}")))
    found = await storage.load_payloads(run_id(2), [OUTPUT, BODY])
    assert found == {OUTPUT: Payload('"2a"'), BODY: Payload("2")}


async def test_an_error_is_loaded_as_the_object_that_it_is_in_json(storage: Storage) -> None:
    await create(storage, creation(steps={"a": insert(state(StepStatus.FAILED, 1), error=ERROR)}))
    ref = PayloadRef(PayloadKind.ERROR, "a")
    found = (await storage.load_payloads(run_id(1), [ref]))[ref]
    assert found is not None
    assert found.value == ERROR.to_json()


async def test_the_state_of_a_step_is_its_status_and_its_progress(storage: Storage) -> None:
    progress = LoopProgress(total=3, started=2, succeeded=1)
    loop = state(StepStatus.RUNNING, 1)._replace(progress=progress)
    await create(storage, creation(steps={"a": insert(loop), "b": insert(state(StepStatus.FAILED, 1), error=ERROR)}))
    refs = [PayloadRef(PayloadKind.STATE, key) for key in ("a", "b", "nonesuch")]
    found = await storage.load_payloads(run_id(1), refs)
    assert found == {
        refs[0]: state_payload(StepStatus.RUNNING, progress_to_json(progress)),
        refs[1]: state_payload(StepStatus.FAILED, None),
        refs[2]: None,
    }


async def test_an_error_may_hold_any_text(storage: Storage) -> None:
    error = StepError("UnicodeError", "lone \ud800 and \x00")
    change = insert(state(StepStatus.FAILED, 1), error=error)
    await create(storage, creation(steps={"a": change}, facts=[{"type": "step.failed", "error": error.to_json()}]))
    [record] = await storage.list_steps(run_id(1))
    assert record.error == error.to_json()
    assert (await storage.list_events(run_id(1)))[0].data == {"error": error.to_json()}


@pytest.mark.parametrize(("first", "second"), [(50_000, 10), (10, 50_000), (50_000, 60_000)])
async def test_an_output_replaces_a_longer_or_shorter_one(storage: Storage, first: int, second: int) -> None:
    await create(storage, creation(steps={"a": insert(DONE, output=Payload(f'"{"1" * first}"'))}))
    await commit_steps(storage, 1, a=overwrite((StepStatus.SUCCEEDED, 1), DONE, output=Payload(f'"{"2" * second}"')))
    assert await storage.load_payloads(run_id(1), [OUTPUT]) == {OUTPUT: Payload(f'"{"2" * second}"')}


async def test_a_long_output_is_gone_after_the_next_claim(storage: Storage) -> None:
    await create(storage, creation(steps={"a": insert(state(), output=Payload(f'"{MEBIBYTE}"'))}))
    await commit_claim(storage, claim())
    assert await storage.load_payloads(run_id(1), [OUTPUT]) == {OUTPUT: None}


async def test_new_items_replace_old_ones(storage: Storage) -> None:
    await create(storage, creation(loop_items={"a": Payload("[1]")}))
    await commit_advance(storage, advance(1, 1, loop_items={"a": Payload("[2,3]")}))
    assert await storage.load_payloads(run_id(1), [ITEMS]) == {ITEMS: Payload("[2,3]")}


async def test_items_stay_when_their_step_is_written_again(storage: Storage) -> None:
    await create(storage, creation(loop_items={"a": Payload("[1]")}))
    await commit_steps(storage, 1, a=overwrite((StepStatus.READY, 0), DONE))
    assert await storage.load_payloads(run_id(1), [ITEMS]) == {ITEMS: Payload("[1]")}


async def test_outputs_are_those_of_steps_that_succeeded(storage: Storage) -> None:
    steps = {f"loop.{n}.a": insert(state(status, 1), output=Payload(f"{n}")) for n, status in enumerate(StepStatus)}
    await create(storage, creation(steps=steps))
    succeeded = list(StepStatus).index(StepStatus.SUCCEEDED)
    assert await storage.load_outputs(run_id(1), "loop.") == {f"loop.{succeeded}.a": Payload(f"{succeeded}")}


async def test_a_step_that_succeeded_without_output_is_among_the_outputs(storage: Storage) -> None:
    await create(storage, creation(steps={"a": insert(DONE), "b": insert(DONE, output=Payload("null"))}))
    assert await storage.load_outputs(run_id(1), "") == {"a": None, "b": Payload("null")}


async def test_outputs_of_ten_thousand_iterations_load_at_once(storage: Storage) -> None:
    steps = {f"loop.{n}.a": insert(DONE, output=Payload(f"{n}")) for n in range(10_000)}
    await create(storage, creation(steps=steps))
    found = await storage.load_outputs(run_id(1), "loop.")
    assert found == {f"loop.{n}.a": Payload(f"{n}") for n in range(10_000)}

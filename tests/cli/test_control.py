"""The commands by which people steer runs: ``suspend``, ``resume``, ``complete``, ``fail``, ``skip``, ``run-now``."""

from __future__ import annotations

import pytest

from tests.cli.commands import IN_MEMORY, SHARED, call

UNKNOWN = "01900000-0000-7000-8000-000000000000"


def _start(flow: str) -> str:
    """A run whose first step is ready, and that nobody works on."""
    return str(call("run", SHARED, flow, "--detach", "--json").document["id"])


def _steps(run_id: str) -> dict[str, str]:
    steps = call("show", SHARED, run_id, "--json").document["steps"]
    return {key: step["status"] for key, step in steps.items()}


def test_a_run_is_suspended_and_resumed() -> None:
    run_id, other = _start("Waits"), _start("Waits")

    suspended = call("suspend", SHARED, run_id, "--reason", "the bank is closed", "--by", "Ann", "--json")
    shown = call("show", SHARED, run_id).out
    listed = call("runs", SHARED, "--suspended", "--json").document["runs"]
    table = call("runs", SHARED).out
    waiting = _steps(run_id)
    resumed = call("resume", SHARED, run_id)

    assert (suspended.code, resumed.code) == (0, 0)
    assert suspended.document["suspendReason"] == "the bank is closed"
    assert "by Ann: the bank is closed" in shown
    assert [run["id"] for run in listed] == [run_id]
    assert [other in line for line in table.splitlines() if "(suspended)" in line] == [False]
    assert (waiting, _steps(run_id)) == ({"wait": "Pending"}, {"wait": "Ready"})
    assert "goes on" in resumed.out


def test_a_step_is_completed_with_an_output() -> None:
    run_id = _start("Waits")

    answer = call("complete", SHARED, run_id, "wait", "--output", '{"paid": true}', "-r", "by phone", "--by", "Ann")

    shown = call("show", SHARED, run_id, "--json").document
    assert (answer.code, answer.out) == (0, f"step 'wait' of run {run_id} is Succeeded\n")
    assert (shown["status"], shown["output"]) == ("Succeeded", {"paid": True})
    assert "succeeded, by hand: by phone (by Ann)" in call("show", SHARED, run_id, "--history").out


def test_a_step_is_failed_and_one_is_skipped() -> None:
    failed, skipped = _start("Fails"), _start("Fails")

    told = call("fail", SHARED, failed, "price", "--reason", "no price today")
    call("skip", SHARED, skipped, "price", "--reason", "for free")

    assert told.err == ""  # who has decided it need not be told of a failure
    assert call("show", SHARED, failed, "--json").document["error"] == "step 'price' failed: no price today"
    assert _steps(skipped) == {"price": "Skipped", "after": "Skipped"}


def test_output_that_is_no_json_is_wrong_usage() -> None:
    answer = call("complete", SHARED, _start("Waits"), "wait", "--output", "{nonsense")

    assert answer.code == 2
    assert "--output" in answer.err


@pytest.mark.parametrize("command", ["fail", "skip"])
def test_a_reason_is_needed(command: str) -> None:
    assert call(command, SHARED, UNKNOWN, "wait").code == 2


def test_what_is_not_possible_now_exits_with_4() -> None:
    run_id = _start("Waits")

    assert "is not suspended" in call("resume", SHARED, run_id).err
    assert call("resume", SHARED, run_id).code == 4
    answer = call("run-now", SHARED, run_id, "wait")
    assert (answer.code, "does not wait for a time: it is Ready" in answer.err) == (4, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ("suspend", UNKNOWN),
        ("resume", UNKNOWN),
        ("complete", UNKNOWN, "wait"),
        ("fail", UNKNOWN, "wait", "-r", "no"),
        ("skip", UNKNOWN, "wait", "-r", "no"),
        ("run-now", UNKNOWN, "wait"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_run_that_does_not_exist_exits_with_3_and_one_in_memory_with_2(arguments: tuple[str, ...]) -> None:
    command, *rest = arguments

    assert call(command, SHARED, *rest).code == 3
    assert call(command, IN_MEMORY, *rest).code == 2

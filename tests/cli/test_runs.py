"""The commands about runs that exist: ``runs``, ``show``, ``cancel``, ``retry``."""

from __future__ import annotations

import pytest

from tests.cli.commands import IN_MEMORY, SHARED, call

UNKNOWN = "01900000-0000-7000-8000-000000000000"


def _run(flow: str, *options: str) -> str:
    """Run a flow to its end; the id of the run."""
    return str(call("run", SHARED, flow, "--json", *options).lines[0]["run"]["id"])


def _start(flow: str) -> str:
    return str(call("run", SHARED, flow, "--detach", "--json").document["id"])


def test_runs_are_listed_newest_first() -> None:
    first, second = _run("Orders"), _run("Fails")

    answer = call("runs", SHARED, "--json")

    assert [run["id"] for run in answer.document["runs"]] == [second, first]
    assert [run["status"] for run in answer.document["runs"]] == ["Failed", "Succeeded"]


def test_the_list_can_be_filtered_and_continued() -> None:
    failed = [_run("Fails"), _run("Fails")]
    _run("Orders")

    by_flow = call("runs", SHARED, "--flow", "Fails", "--json").document
    by_status = call("runs", SHARED, "--status", "failed", "--limit", "1", "--json").document
    rest = call("runs", SHARED, "-s", "failed", "-n", "1", "--cursor", by_status["nextCursor"], "--json").document

    assert {run["id"] for run in by_flow["runs"]} == set(failed)
    assert [run["id"] for run in by_status["runs"]] == [failed[1]]
    assert [run["id"] for run in rest["runs"]] == [failed[0]]
    assert rest["nextCursor"] is None


def test_runs_are_found_by_their_tags_and_errors() -> None:
    first, second = _run("Orders", "--tag", "tenant=acme", "-t", "batch=a=7"), _run("Fails", "--tag", "tenant=acme")
    _run("Orders")

    by_tag = call("runs", SHARED, "--tag", "tenant=acme", "--json").document
    by_both = call("runs", SHARED, "--tag", "tenant=acme", "--tag", "batch=a=7", "--json").document
    by_error = call("runs", SHARED, "--error", "HAS NO PRICE", "--json").document

    assert [run["id"] for run in by_tag["runs"]] == [second, first]
    assert [(run["id"], run["tags"]) for run in by_both["runs"]] == [(first, {"tenant": "acme", "batch": "a=7"})]
    assert [run["id"] for run in by_error["runs"]] == [second]


def test_tags_are_shown_where_there_are_some() -> None:
    bare = _run("Orders")
    assert "tags" not in call("runs", SHARED).out
    assert "tags" not in call("show", SHARED, bare).out

    run_id = _run("Orders", "--tag", "tenant=acme")

    assert "tenant=acme" in call("runs", SHARED).out
    assert "tenant=acme" in call("show", SHARED, run_id).out


def test_a_tag_without_a_value_is_refused() -> None:
    answer = call("runs", SHARED, "--tag", "tenant")

    assert answer.code == 2
    assert "NAME=VALUE" in answer.err


def test_a_table_shows_each_run_on_one_line() -> None:
    run_id = _run("Orders")

    answer = call("runs", SHARED)

    (line,) = (line for line in answer.out.splitlines() if run_id in line)
    assert "Orders" in line
    assert "Succeeded" in line


def test_an_empty_list_says_so() -> None:
    answer = call("runs", SHARED)

    assert (answer.code, answer.out) == (0, "")
    assert "no runs" in answer.err


def test_a_cursor_of_another_kind_is_wrong_usage() -> None:
    answer = call("runs", SHARED, "--cursor", "nonsense")

    assert answer.code == 2
    assert "'nonsense' is not a cursor" in answer.err


def test_a_run_is_shown_with_its_steps() -> None:
    answer = call("show", SHARED, _run("Orders", "-b", '{"items": [1, -1, 3]}'))

    assert answer.code == 0
    assert "3/3" in answer.out
    assert "[1] price" in answer.out  # failed inside the loop
    assert "[0] price" not in answer.out  # went well
    assert "the item -1 has no price" in answer.out


def test_all_shows_steps_inside_loops_too() -> None:
    lines = call("show", SHARED, _run("Orders"), "--all").out.splitlines()

    names = [line.strip().split("  ")[0] for line in lines]
    place = names.index("items")
    assert names[place : place + 3] == ["items", "[0] price", "[1] price"]


def test_one_step_is_shown_with_its_payloads() -> None:
    run_id = _run("Orders")

    text = call("show", SHARED, run_id, "--step", "items.1.price").out
    document = call("show", SHARED, run_id, "--step", "items.1.price", "--json").document

    assert '"price": 20' in text
    assert document["input"] == {"item": 2}
    assert document["output"] == {"item": 2, "price": 20}
    assert document["attempt"] == 1


def test_a_failed_step_is_shown_with_its_traceback() -> None:
    answer = call("show", SHARED, _run("Fails"), "--step", "price")

    assert "ValueError: the item -1 has no price" in answer.out
    assert "orders_app.py" in answer.out


def test_history_is_that_of_the_run_or_of_one_step() -> None:
    run_id = _run("Fails")

    everything = call("show", SHARED, run_id, "--history", "--json").document["history"]
    of_step = call("show", SHARED, run_id, "--history", "--step", "after", "--json").document["history"]

    assert [event["type"] for event in everything] == [
        *("run.started", "step.started", "step.failed", "step.skipped", "run.completed")
    ]
    assert [event["type"] for event in of_step] == ["step.skipped"]


def test_a_step_that_does_not_exist_suggests_one_that_does() -> None:
    answer = call("show", SHARED, _run("Orders"), "--step", "helo")

    assert answer.code == 3
    assert "Did you mean 'hello'?" in answer.err


@pytest.mark.parametrize("arguments", [("show",), ("cancel",), ("retry", "price")], ids=lambda arguments: arguments[0])
@pytest.mark.parametrize("run_id", [UNKNOWN, "not-an-id"])
def test_a_run_that_does_not_exist_exits_with_3(arguments: tuple[str, ...], run_id: str) -> None:
    command, *rest = arguments

    answer = call(command, SHARED, run_id, *rest)

    assert answer.code == 3
    assert run_id in answer.err


def test_a_waiting_run_is_cancelled() -> None:
    run_id = _start("Waits")

    answer = call("cancel", SHARED, run_id, "--reason", "changed my mind", "--json")

    shown = call("show", SHARED, run_id, "--json").document
    assert answer.code == 0
    assert shown["status"] == "Cancelled"
    assert shown["stopReason"] == "changed my mind"
    assert "is Cancelled" in call("cancel", SHARED, _start("Waits")).out


def test_the_history_says_who_did_it_and_that_is_who_logged_in_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LOGNAME", "ann")
    by_ann, by_ben = _start("Waits"), _start("Waits")

    call("cancel", SHARED, by_ann)
    call("cancel", SHARED, by_ben, "--by", "ben")

    assert "is being stopped (Cancelled) (by ann)" in call("show", SHARED, by_ann, "--history").out
    assert "is being stopped (Cancelled) (by ben)" in call("show", SHARED, by_ben, "--history").out


def test_a_run_that_has_ended_cannot_be_cancelled() -> None:
    answer = call("cancel", SHARED, _run("Orders"))

    assert answer.code == 4
    assert "already ended" in answer.err


def test_a_failed_step_is_ready_again_after_a_retry() -> None:
    run_id = _run("Fails")

    answer = call("retry", SHARED, run_id, "price")

    steps = call("show", SHARED, run_id, "--json").document["steps"]
    assert answer.code == 0
    assert "ready again" in answer.out
    assert steps["price"]["status"] == "Ready"
    assert "after" not in steps


def test_a_step_that_succeeded_cannot_be_retried() -> None:
    answer = call("retry", SHARED, _run("Orders"), "hello")

    assert answer.code == 4
    assert "only failed steps can be retried" in answer.err


@pytest.mark.parametrize(
    "arguments", [("runs",), ("show", UNKNOWN), ("cancel", UNKNOWN), ("retry", UNKNOWN, "price"), ("worker",)]
)
def test_runs_in_memory_cannot_be_seen_from_another_process(arguments: tuple[str, ...]) -> None:
    command, *rest = arguments

    answer = call(command, IN_MEMORY, *rest)

    assert answer.code == 2
    assert "keeps its runs in memory: each process has its own" in answer.err


def test_runs_are_found_by_the_time_of_their_start() -> None:
    run_id = _run("Orders")

    def found(*times: str) -> list[str]:
        return [run["id"] for run in call("runs", SHARED, "--json", *times).document["runs"]]

    assert found("--from", "2020-01-01", "--before", "2999-01-01") == [run_id]
    assert found("--from", "2999-01-01") == found("--before", "2020-01-01") == []
    assert call("runs", SHARED, "--from", "yesterday").code == 2


def test_a_rerun_is_found_by_its_source() -> None:
    run_id = _run("Orders")

    arguments = ("--body", '{"customer": "Ann"}', "--by", "Ann", "--idempotency-key", "again")
    answer = call("rerun", SHARED, run_id, *arguments)

    assert answer.code == 0
    [found] = call("runs", SHARED, "--source", run_id, "--json").document["runs"]
    assert f"run {found['id']} is a rerun of {run_id}" in answer.out
    shown = call("show", SHARED, found["id"], "--history").out
    assert f"a rerun of run {run_id}" in shown
    assert "(by Ann)" in shown


def test_a_fork_shows_which_steps_it_has_taken_over() -> None:
    run_id = _run("Fails")

    answer = call("fork", SHARED, run_id, "price", "--json")

    assert answer.code == 0
    assert answer.document["sourceRunId"] == run_id
    assert call("fork", SHARED, run_id, "nowhere").code == 3
    assert call("fork", SHARED, run_id, "price", "--input", "oops").code == 2
    assert f"run {run_id}" in call("show", SHARED, answer.document["id"]).out


def test_all_failed_steps_are_retried_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = _run("Fails")

    answer = call("retry", SHARED, run_id, "--failed", "--json")

    assert answer.code == 0
    assert (answer.document["retried"], answer.document["leftOut"]) == (["price"], [])
    assert call("retry", SHARED, run_id, "--failed").code == 4
    monkeypatch.setenv("FLOWORCH_TARGET", SHARED)
    assert call("retry", _run("Fails"), "--failed").code == 0


def test_a_retry_names_one_step_or_means_all() -> None:
    run_id = _run("Fails")

    assert call("retry", SHARED, run_id).code == 2
    assert call("retry", SHARED, run_id, "price", "--failed").code == 2


def test_the_target_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = _run("Fails")
    monkeypatch.setenv("FLOWORCH_TARGET", SHARED)

    assert call("runs", "--json").document["runs"][0]["id"] == run_id
    assert call("show", run_id).code == 0
    assert call("show", SHARED, run_id).code == 0
    assert call("retry", run_id, "price").code == 0
    assert call("check").code == 0


def test_without_a_target_the_usage_names_it() -> None:
    answer = call("runs")

    assert answer.code == 2
    assert "TARGET" in answer.err

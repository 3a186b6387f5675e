"""``floworch run``, within this process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import structlog

from tests.cli.commands import IN_MEMORY, SHARED, call

NOT_JSON = ["{", "nonsense", '{"a": NaN}', "[1,]"]


@pytest.mark.parametrize("target", [IN_MEMORY, SHARED], ids=["memory", "sqlite"])
def test_a_run_is_followed_to_its_end(target: str) -> None:
    answer = call("run", target, "Orders")

    assert answer.code == 0
    assert "items.1.price" in answer.out
    assert "Succeeded after" in answer.out


def test_every_event_is_a_plain_line_where_stdout_is_no_terminal() -> None:
    answer = call("run", IN_MEMORY, "Orders")

    assert "\x1b" not in answer.out
    assert "started by the trigger 'manual', version 1.0" in answer.out
    assert "started, 2 iterations" in answer.out
    assert "skipped: 'items' ended Succeeded" in answer.out


def test_a_run_that_fails_exits_with_1_and_tells_why() -> None:
    answer = call("run", IN_MEMORY, "Fails")

    assert answer.code == 1
    assert "step 'price' failed: the item -1 has no price" in answer.out


def test_json_is_the_run_its_events_and_its_result() -> None:
    answer = call("run", SHARED, "Orders", "--json", "--body", '{"items": [3], "customer": "Ada"}')

    first, *events, last = answer.lines
    assert answer.code == 0
    assert first["run"]["flowName"] == "Orders"  # as it was at the first look, which may come after its end
    assert events[0]["event"]["type"] == "run.started"
    assert events[-1]["event"]["type"] == "run.completed"
    assert last["result"]["id"] == first["run"]["id"]
    assert last["result"]["status"] == "Succeeded"
    assert last["result"]["steps"]["items"]["output"] == [{"item": 3, "price": 30}]


def test_handlers_log_to_stderr_and_leave_stdout_alone() -> None:
    answer = call("run", IN_MEMORY, "Orders", "--json", "-b", '{"customer": "Ada"}')

    logged = [json.loads(line) for line in answer.err.splitlines()]
    assert {"log_message", "priced"} <= {line["event"] for line in logged}
    assert all(set(line) <= {"run", "event", "result"} for line in answer.lines)


def test_the_engine_tells_its_news_only_at_level_debug() -> None:
    quiet = call("run", IN_MEMORY, "Orders")
    structlog.reset_defaults()
    talkative = call("run", IN_MEMORY, "Orders", "--log-level", "debug")

    assert "step_completed" not in quiet.err
    assert "step_completed" in talkative.err


def test_the_log_level_is_respected() -> None:
    assert "log_message" not in call("run", IN_MEMORY, "Orders", "--log-level", "warning").err


@pytest.mark.parametrize("source", ["text", "file", "stdin"])
def test_the_body_is_text_a_file_or_stdin(empty_folder: Path, source: str) -> None:
    text = '{"items": [12345678901234567890]}'
    (empty_folder / "body.json").write_text(text, encoding="utf-8")
    given = {"text": text, "file": "@body.json", "stdin": "-"}[source]

    answer = call("run", IN_MEMORY, "Orders", "--json", "--body", given, stdin=text)

    output = answer.lines[-1]["result"]["steps"]["items"]["output"]
    assert output[0]["item"] == 12345678901234567890


@pytest.mark.parametrize("text", NOT_JSON)
def test_a_body_that_is_not_json_is_wrong_usage(text: str) -> None:
    answer = call("run", IN_MEMORY, "Orders", "--body", text)

    assert answer.code == 2
    assert "--body" in answer.err
    assert "@file.json" in answer.err


def test_a_body_file_that_is_missing_is_named() -> None:
    answer = call("run", IN_MEMORY, "Orders", "--body", "@missing.json")

    assert answer.code == 2
    assert "'missing.json' cannot be read" in answer.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("Ordres",), "did you mean 'Orders'?"),
        (("Orders", "--key", "nightly"), "nightly"),
    ],
)
def test_what_does_not_exist_exits_with_3(arguments: tuple[str, ...], message: str) -> None:
    answer = call("run", IN_MEMORY, *arguments)

    assert answer.code == 3
    assert message in answer.err


def test_a_time_limit_ends_the_run() -> None:
    answer = call("run", SHARED, "Waits", "--timeout", "0.2", "--json")

    assert answer.code == 1
    assert answer.lines[-1]["result"]["status"] == "TimedOut"


def test_an_idempotency_key_starts_one_run() -> None:
    first = call("run", SHARED, "Orders", "--idempotency-key", "ada-1", "--json")
    second = call("run", SHARED, "Orders", "--idempotency-key", "ada-1", "--json")

    assert second.code == 0
    assert first.lines[0]["run"]["duplicate"] is False
    assert second.lines[0]["run"]["duplicate"] is True
    assert first.lines[0]["run"]["id"] == second.lines[0]["run"]["id"]


def test_a_detached_run_is_left_to_others() -> None:
    started = call("run", SHARED, "Orders", "--detach", "--json")

    listed = call("runs", SHARED, "--json")
    assert started.code == 0
    assert [(run["id"], run["status"]) for run in listed.document["runs"]] == [(started.document["id"], "Running")]


def test_the_id_of_a_detached_run_is_all_of_stdout() -> None:
    answer = call("run", SHARED, "Orders", "--detach")

    run_id = answer.out.strip()
    assert call("show", SHARED, run_id).code == 0
    assert f"floworch show {SHARED} {run_id}" in answer.err.replace("\n", "")


@pytest.mark.parametrize("option", ["--detach", "--no-work"])
def test_nobody_else_could_run_what_is_in_memory(option: str) -> None:
    answer = call("run", IN_MEMORY, "Orders", option)

    assert answer.code == 2
    assert "keeps its runs in memory" in answer.err
    assert "use_sqlite('flows.db')" in answer.err


def test_a_body_that_is_too_large_is_refused_with_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWORCH_MAX_PAYLOAD_BYTES", "20")

    answer = call("run", SHARED, "Orders", "--body", json.dumps({"customer": "x" * 30}))

    assert answer.code == 2
    assert "the limit is 20 bytes" in answer.err

"""The command line as real processes: who runs what, and how signals end it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.cli.commands import APP_FILE, SHARED, Program, call, call_program, program

posix_only = pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals between processes")


def _status_of(run_id: str) -> str:
    return str(call("show", SHARED, run_id, "--json").document["status"])


def _stop(worker: Program) -> None:
    worker.process.send_signal(signal.SIGTERM)


@posix_only
def test_what_one_process_triggers_another_one_runs() -> None:
    run_id = call_program("run", SHARED, "Orders", "--detach").out.strip()

    with program("worker", SHARED) as worker:
        started = worker.read_until("working on 4 flows")
        followed = call_program("run", SHARED, "Orders", "--no-work", "--json")
        _stop(worker)
        ended = worker.end()

    steps = call("show", SHARED, run_id, "--json").document["steps"]
    assert started
    assert followed.code == 0
    assert followed.lines[-1]["result"]["status"] == "Succeeded"
    assert ended.code == 0
    assert "step_completed" in ended.err
    assert "stopped" in ended.err
    assert _status_of(run_id) == "Succeeded"
    assert {step["owner"] for step in steps.values() if step["owner"]} == {_worker_id(worker)}


@posix_only
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_worker_ends_at_the_first_signal(number: signal.Signals) -> None:
    with program("worker", SHARED) as worker:
        worker.read_until("working on")
        worker.process.send_signal(number)
        ended = worker.end()

    assert ended.code == 0


@posix_only
def test_a_worker_hands_back_what_it_cannot_finish() -> None:
    run_id = call_program("run", SHARED, "Waits", "--detach").out.strip()

    with program("worker", SHARED) as worker:
        worker.read_until("handler waits")
        _stop(worker)
        ended = worker.end()

    assert ended.code == 0
    step = call("show", SHARED, run_id, "--step", "wait", "--json").document
    assert step["status"] == "Ready"


@posix_only
def test_the_second_signal_quits_at_once() -> None:
    call_program("run", SHARED, "Blocks", "--detach")

    with program("worker", SHARED, environment={"ORDERS_DRAIN": "600"}) as worker:
        worker.read_until("handler waits")
        _stop(worker)
        worker.read_until("a second signal quits at once")
        _stop(worker)
        ended = worker.end()

    assert ended.code == 130
    assert "quitting at once" in ended.err


@posix_only
def test_ctrl_c_stops_following_and_the_run_stays() -> None:
    with program("run", SHARED, "Waits") as running:
        running.read_until("handler waits")
        running.process.send_signal(signal.SIGINT)
        ended = running.end()

    (run,) = call("runs", SHARED, "--json").document["runs"]
    assert ended.code == 130
    assert f"run {run['id']} is durable" in ended.err
    assert run["status"] == "Running"


@posix_only
def test_ctrl_c_says_that_a_run_in_memory_is_lost() -> None:
    with program("run", f"{APP_FILE}:in_memory", "Waits") as running:
        running.read_until("handler waits")
        running.process.send_signal(signal.SIGINT)
        ended = running.end()

    assert ended.code == 130
    assert "ends with this process" in ended.err


@posix_only
def test_a_worker_logs_json_when_asked() -> None:
    with program("worker", SHARED, "--json") as worker:
        first = worker.read_until('"event": "worker_started"')
        _stop(worker)
        ended = worker.end()

    assert '"Orders": ["LogMessage", "Price"]' in first
    assert '"event": "worker_stopped"' in ended.err


@posix_only
def test_dev_warns_about_storage_in_memory() -> None:
    with program("dev", f"{APP_FILE}:in_memory") as worker:
        warned = worker.read_until("the storage is in memory")
        worker.read_until("working on")
        _stop(worker)

        assert warned
        assert worker.end().code == 0


@posix_only
@pytest.mark.parametrize("colours", [True, False])
def test_a_terminal_shows_the_run_live(colours: bool) -> None:
    environment = {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"} | ({} if colours else {"NO_COLOR": "1"})

    screen = _on_terminal("run", SHARED, "Orders", environment=environment)

    assert "\x1b[?25l" in screen  # the cursor is hidden while the view redraws itself
    assert "2/2" in screen
    assert "Succeeded" in screen
    assert ("\x1b[32m" in screen) == colours  # green


def test_a_pipe_gets_no_colours() -> None:
    call_program("run", SHARED, "Orders")

    assert "\x1b" not in call_program("runs", SHARED).out


def test_the_reader_of_a_pipe_may_leave() -> None:
    command = f'"{sys.executable}" -m floworch.cli schema'
    reader = f'"{sys.executable}" -c "import sys; sys.stdin.readline()"'

    outcome = subprocess.run(f"{command} | {reader}", shell=True, capture_output=True, text=True, check=False)

    assert outcome.stderr == ""


def _worker_id(worker: Program) -> str:
    (line,) = (line for line in worker.seen if line.startswith("floworch worker "))
    return line.split()[-1]


def _on_terminal(*arguments: str, environment: dict[str, str]) -> str:
    """What a terminal is told to show."""
    import pty  # POSIX only

    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    terminal, inner = pty.openpty()
    command = [sys.executable, "-m", "floworch.cli", *arguments]
    with subprocess.Popen(command, stdin=inner, stdout=inner, stderr=inner, env=kept | environment):
        os.close(inner)
        shown = b"".join(_pieces(terminal))
    os.close(terminal)
    return shown.decode()


def _pieces(terminal: int) -> Iterator[bytes]:
    try:
        while piece := os.read(terminal, 65536):
            yield piece
    except OSError:
        return  # Linux says EIO when the other side has closed

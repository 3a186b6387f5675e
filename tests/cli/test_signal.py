"""``floworch signal``, and what ``show`` tells of signals."""

from __future__ import annotations

from pathlib import Path

from tests.cli.commands import call

APP = f"{Path(__file__).with_name('signals_app.py')}:shared"
UNKNOWN = "01900000-0000-7000-8000-000000000000"


def _start() -> str:
    return str(call("run", APP, "Approval", "--detach", "--json").document["id"])


def test_a_signal_goes_to_the_step_that_waits_and_its_output_is_the_payload() -> None:
    run = _start()
    answer = call("signal", APP, run, "decision", "--payload", '{"by": "Ada"}', "--json").document
    assert (answer["status"], answer["stepKey"]) == ("delivered", "decide")
    shown = call("show", APP, run, "--json").document
    assert shown["steps"]["decide"]["output"] == {"by": "Ada"}
    assert [(signal["name"], signal["takenBy"]) for signal in shown["signals"]] == [("decision", "decide")]


def test_a_signal_for_later_is_kept_and_shown_as_mailbox() -> None:
    run = _start()
    said = call("signal", APP, run, "paid", "-p", '{"amount": 3}')
    assert said.out == "no step waits for the signal 'paid' now; the run keeps it\n"
    shown = call("show", APP, run).out
    assert "waits for 'decision' since" in shown
    assert "gives up in" in shown
    assert "mailbox" in shown
    assert '{"amount":3}' in shown.replace(" ", "")
    call("signal", APP, run, "decision", "-p", "{}")
    assert call("show", APP, run, "--json").document["status"] == "Succeeded"
    history = call("show", APP, run, "--history").out
    assert "received the signal 'paid'" in history
    assert "took the signal 'paid'" in history
    assert "mailbox" not in history


def test_a_deduplication_id_counts_once() -> None:
    run = _start()
    call("signal", APP, run, "paid", "--dedup", "one")
    again = call("signal", APP, run, "paid", "--dedup", "one", "--json").document
    assert again["status"] == "already_delivered"


def test_the_exit_code_says_why_a_signal_was_not_taken() -> None:
    run = _start()
    refused = call("signal", APP, run, "decision", "-p", "3")
    assert (refused.code, "3 is not of type 'object'" in refused.err) == (2, True)
    assert call("signal", APP, run, "decision", "-p", "{not json").code == 2
    assert call("signal", APP, UNKNOWN, "decision").code == 3
    call("cancel", APP, run)
    ended = call("signal", APP, run, "decision")
    assert (ended.code, "already ended Cancelled" in ended.err) == (4, True)


def test_a_step_in_full_says_what_it_waits_for() -> None:
    run = _start()
    shown = call("show", APP, run, "--step", "decide").out
    assert "waits for" in shown
    assert "'decision'" in shown
    assert "gives up" in shown

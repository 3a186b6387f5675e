"""``floworch bulk``, ``floworch versions`` and ``floworch diff``."""

from __future__ import annotations

from pathlib import Path

from tests.cli.commands import SHARED, call


def _detached(count: int) -> list[str]:
    return [call("run", SHARED, "Orders", "--detach", "--json").document["id"] for _ in range(count)]


def test_runs_are_cancelled_together_and_those_that_have_ended_refuse() -> None:
    run_ids = _detached(2)
    counted = call("bulk", SHARED, "cancel", "--flow", "Orders", "--dry-run", "--json").document
    done = call("bulk", SHARED, "cancel", "--flow", "Orders", "--reason", "enough", "--json")
    again = call("bulk", SHARED, "cancel", "--run", run_ids[0], "--yes")

    assert (counted["done"], counted["dryRun"]) == (2, True)
    assert (done.code, done.document["done"], done.document["refused"]) == (0, 2, {})
    assert again.code == 4
    assert "already ended Cancelled" in again.out


def test_a_step_of_many_runs_is_ended_by_hand() -> None:
    run_ids = _detached(2)
    nameless = call("bulk", SHARED, "skip", "--flow", "Orders", "--reason", "no", "--yes")
    no_reason = call("bulk", SHARED, "fail", "--flow", "Orders", "--step", "hello", "--yes")
    whole = call("bulk", SHARED, "cancel", "--flow", "Orders", "--step", "hello", "--yes")
    failed = call("bulk", SHARED, "fail", "--flow", "Orders", "--step", "hello", "--reason", "wrong order", "--json")
    retried = call("bulk", SHARED, "retry", "--flow", "Orders", "--step", "hello", "--json")
    skipped = call("bulk", SHARED, "skip", "--flow", "Orders", "--step", "hello", "--reason", "no", "--json")
    forked = call("bulk", SHARED, "fork", "--run", run_ids[0], "--step", "hello", "--json")

    assert "--step" in nameless.err
    assert "--reason" in no_reason.err
    assert "whole runs" in whole.err
    assert [each.document["done"] for each in (failed, retried, skipped, forked)] == [2, 2, 2, 1]
    assert {call("show", SHARED, run, "--json").document["status"] for run in run_ids} != {"Running"}


def test_it_asks_first_and_does_nothing_without_a_yes() -> None:
    _detached(1)
    refused = call("bulk", SHARED, "cancel", "--flow", "Orders", stdin="n\n")
    assert refused.code == 1
    assert call("bulk", SHARED, "cancel", "--status", "Running", "--dry-run", "--json").document["done"] == 1


def test_a_selection_needs_a_condition() -> None:
    answer = call("bulk", SHARED, "cancel", "--yes")
    assert answer.code == 2
    assert "conditions" in answer.err


def test_a_selection_is_of_runs_or_of_conditions() -> None:
    answer = call(
        "bulk", SHARED, "cancel", "--yes", "--flow", "Orders", "--run", "01890000-0000-7000-8000-000000000000"
    )
    assert answer.code == 2
    assert "--run" in answer.err


def test_an_unknown_action_is_told_in_plain_words() -> None:
    answer = call("bulk", SHARED, "cancle", "--flow", "Orders")
    assert answer.code == 2
    assert "Invalid value for 'ACTION': 'cancle' is not one of" in answer.err


def test_a_version_that_nobody_knows_is_refused_once() -> None:
    _detached(2)
    answer = call("bulk", SHARED, "migrate", "--flow", "Orders", "--to", "zz", "--yes")
    assert answer.code == 3
    assert answer.err.strip() == "the flow 'Orders' has no version with a hash that begins with 'zz'"


def test_migrate_tells_which_runs_are_up_to_date_already() -> None:
    _detached(1)
    answer = call("bulk", SHARED, "migrate", "--flow", "Orders", "--dry-run")
    assert answer.code == 0
    assert answer.out.strip() == "would migrate: 0 runs, 0 refused, 1 up to date"
    counted = call("bulk", SHARED, "migrate", "--flow", "Orders", "--json").document
    assert (counted["done"], counted["refused"], counted["unchanged"]) == (0, {}, 1)


def test_versions_are_listed_with_their_live_runs() -> None:
    _detached(2)
    [found] = call("versions", SHARED, "Orders", "--json").document
    assert found["liveRuns"] == 2
    assert found["manifestHash"][:12] in call("versions", SHARED, "Orders").out


def test_a_flow_is_compared_with_a_file(tmp_path: Path) -> None:
    older = tmp_path / "older.json"
    older.write_text('{"triggers": {}, "steps": {"gone": {"type": "LogMessage"}}}')
    told = call("diff", SHARED, "Orders", "--against", str(older))
    document = call("diff", SHARED, "Orders", "--against", str(older), "--json").document
    assert told.code == 1
    assert "steps.gone" in told.out
    assert document["verdict"] == "breaking"


def test_a_flow_without_an_earlier_version_has_not_changed() -> None:
    call("run", SHARED, "Orders")
    answer = call("diff", SHARED, "Orders")
    assert (answer.code, answer.out) == (0, "nothing has changed\n")
    assert call("diff", SHARED, "Orders", "--json").document == {"verdict": "safe", "changes": []}


def test_comparing_and_listing_versions_does_not_make_those_of_the_code_known() -> None:
    call("diff", SHARED, "Orders")
    assert call("versions", SHARED, "Orders", "--json").document == []
    call("run", SHARED, "Orders")
    assert len(call("versions", SHARED, "Orders", "--json").document) == 1

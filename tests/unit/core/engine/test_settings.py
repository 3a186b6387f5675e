"""What an engine may be told, and by whom."""

from __future__ import annotations

import math
from typing import Any

import pytest

from floworch.core.engine.settings import EngineSettings
from floworch.errors import ConfigurationError


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"lease_seconds": 0}, "lease_seconds is 0; it must be greater than 0"),
        ({"drain_seconds": -1}, "drain_seconds is -1; it must be at least 0"),
        ({"default_timeout_seconds": 0}, "default_timeout_seconds is 0; it must be greater than 0"),
        ({"lease_seconds": None}, "lease_seconds is None; it must be a number"),
        ({"lease_seconds": "60"}, "lease_seconds is '60'; it must be a number"),
        ({"lease_seconds": math.nan}, "lease_seconds is nan; it must be a number"),
        ({"drain_seconds": math.inf}, "drain_seconds is inf; it must be a number"),
        ({"max_batch": 2.5}, "max_batch is 2.5; it must be a whole number"),
        ({"cached_runs": True}, "cached_runs is True; it must be a whole number"),
        ({"heartbeat_seconds": 30}, r"heartbeat_seconds \(30\) must be smaller than lease_seconds \(30.0\)"),
        ({"lease_second": 60}, "there is no setting 'lease_second'; did you mean 'lease_seconds'?"),
    ],
)
def test_what_makes_no_sense_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message.rstrip("?")):
        EngineSettings.from_fields(given, {})


def test_what_may_be_nothing_may_be_nothing() -> None:
    settings = EngineSettings.from_fields({"drain_seconds": 0, "cancel_grace_seconds": 0, "keep_runs_days": None}, {})

    assert (settings.drain_seconds, settings.cancel_grace_seconds, settings.keep_runs_days) == (0, 0, None)


def test_the_environment_is_asked_for_what_is_not_given() -> None:
    environment = {"FLOWORCH_LEASE_SECONDS": "60", "FLOWORCH_MAX_BATCH": "7", "FLOWORCH_KEEP_RUNS_DAYS": "1.5"}

    settings = EngineSettings.from_fields({"max_batch": 8}, environment)

    assert (settings.lease_seconds, settings.max_batch, settings.keep_runs_days) == (60.0, 8, 1.5)


def test_a_variable_that_is_no_number_is_refused_by_its_name() -> None:
    with pytest.raises(ConfigurationError, match="the environment variable FLOWORCH_MAX_BATCH is 'many'"):
        EngineSettings.from_fields({}, {"FLOWORCH_MAX_BATCH": "many"})

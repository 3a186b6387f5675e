from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from floworch.core.model.manifest import (
    AtTrigger,
    CronTrigger,
    FlowManifest,
    IntervalTrigger,
    ManualTrigger,
    WebhookTrigger,
)
from floworch.errors import FlowValidationError

MOMENT = datetime(2030, 1, 1, tzinfo=UTC)
CRON = CronTrigger(cron_expression="* * * * *")
BERLIN = CronTrigger(cron_expression="* * * * *", time_zone="Europe/Berlin")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ({"type": "Manual"}, ManualTrigger()),
        ({"type": "manual", "inputs": None}, ManualTrigger()),
        ({"type": "Cron", "inputs": {"cronExpression": "* * * * *"}}, CRON),
        ({"type": "CRON", "cron_expression": "* * * * *"}, CRON),
        ({"type": "Cron", "inputs": {"cronExpression": "* * * * *", "timeZone": "Europe/Berlin"}}, BERLIN),
        ({"type": "Cron", "cronExpression": "* * * * *", "inputs": {"time_zone": "Europe/Berlin"}}, BERLIN),
        ({"type": "Webhook"}, WebhookTrigger()),
        (
            {"type": "Webhook", "inputs": {"webhookSlug": "s", "webhookX": [1]}},
            WebhookTrigger(slug="s", inputs={"webhookX": [1]}),
        ),
        ({"type": "Webhook", "slug": "s"}, WebhookTrigger(slug="s")),
        (CRON, CRON),
        ({"type": "Interval", "inputs": {"everySeconds": 900}}, IntervalTrigger(every=timedelta(minutes=15))),
        ({"type": "At", "inputs": {"at": "2030-01-01T01:00:00+01:00"}}, AtTrigger(at=MOMENT)),
        (
            {
                "type": "Cron",
                "inputs": {
                    "cronExpression": "* * * * *",
                    "catchUp": "all",
                    "catchUpLimit": 5,
                    "overlap": "cancel_previous",
                    "jitterSeconds": 1.5,
                    "start": "2030-01-01T00:00:00Z",
                    "inputs": {"region": "eu"},
                },
            },
            CronTrigger(
                cron_expression="* * * * *",
                catch_up="all",
                catch_up_limit=5,
                overlap="cancel_previous",
                jitter_seconds=1.5,
                start=MOMENT.astimezone(timezone(timedelta(hours=3))),
                inputs={"region": "eu"},
            ),
        ),
    ],
)
def test_every_form_of_a_trigger_is_read(written: Any, read: object) -> None:
    manifest = FlowManifest.from_json({"triggers": {"t": written}})
    assert manifest.triggers["t"] == read
    assert FlowManifest.from_json(manifest.to_json()) == manifest


@pytest.mark.parametrize(
    ("written", "location", "words"),
    [
        ({}, "triggers.t", "has no type"),
        ({"type": "Timer"}, "triggers.t", "Use one of Manual, Cron, Interval, At, Webhook."),
        ({"type": "webhok"}, "triggers.t", "Did you mean 'Webhook'?"),
        ({"type": "Cron"}, "triggers.t.cronExpression", "missing"),
        ({"type": "Cron", "inputs": {"cronExpression": 5}}, "triggers.t.cronExpression", "valid string, got 5"),
        ({"type": "Cron", "inputs": {"cronExpresion": "x"}}, "triggers.t.cronExpresion", "'cronExpression'"),
        ({"type": "Interval"}, "triggers.t.everySeconds", "missing"),
        ({"type": "At", "inputs": {"at": "2030-01-01T00:00:00"}}, "triggers.t.at", "timezone"),
        (
            {"type": "Cron", "inputs": {"cronExpression": "* * * * *", "catchUp": "always"}},
            "triggers.t.catchUp",
            "'latest', 'none' or 'all', got 'always'",
        ),
        ({"type": "Manual", "inputs": {"x": 1}}, "triggers.t.x", "Unknown field 'x'"),
        ({"type": "Manual", "inputs": [1]}, "triggers.t", "'inputs' of a trigger must be an object"),
        ("Manual", "triggers.t", "Expected a trigger"),
    ],
)
def test_a_bad_trigger_is_refused_at_its_place(written: Any, location: str, words: str) -> None:
    with pytest.raises(FlowValidationError) as caught:
        FlowManifest.from_json({"triggers": {"t": written}})
    assert words in {problem.location: problem.message for problem in caught.value.problems}[location]


def test_a_description_stays_beside_the_inputs() -> None:
    trigger = CronTrigger(cron_expression="* * * * *", description="Every minute")
    assert trigger.model_dump() == {
        "type": "Cron",
        "description": "Every minute",
        "inputs": {"cronExpression": "* * * * *"},
    }


def test_what_runs_of_a_schedule_get_is_data_and_stays_as_it_is_written() -> None:
    trigger = IntervalTrigger(every=60, inputs={"text": "@steps('a').output"})
    assert trigger.model_dump()["inputs"] == {"everySeconds": 60, "inputs": {"text": "@steps('a').output"}}

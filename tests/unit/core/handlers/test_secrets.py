"""What is hidden of the values of environment variables, and where."""

from __future__ import annotations

import json
import logging
import pickle
from typing import Any
from urllib.parse import quote

import pytest
import structlog
from structlog.testing import capture_logs

from floworch import StepContext, StepResult, step_handler
from floworch.core.handlers import Deferred, Failed, HandlerProcesses, Skipped, Succeeded
from floworch.core.handlers.secrets import NO_SECRETS, Secrets
from floworch.core.model.payload import Payload
from tests.unit.core.handlers.support import context, invoke

TOKEN = "s3cr3t/t0k3n+with = signs"
SECRETS = Secrets({"TOKEN": TOKEN})
MARK = "***TOKEN***"


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        (TOKEN, MARK),
        (f"Bearer {TOKEN}.", f"Bearer {MARK}."),
        (f"{TOKEN}{TOKEN}", MARK + MARK),
        (quote(TOKEN), MARK),
        (quote(TOKEN, safe=""), MARK),
        ("nothing", "nothing"),
    ],
)
def test_values_are_hidden_wherever_they_stand(text: str, hidden: str) -> None:
    assert SECRETS.hide(text) == hidden


@pytest.mark.parametrize("value", ['with "quotes" and \\', "line one\nline two", "grüße aus köln"])
def test_values_are_hidden_as_json_and_python_write_them(value: str) -> None:
    secrets = Secrets({"V": value})

    assert secrets.hide(json.dumps([value])) == '["***V***"]'
    assert secrets.hide(repr([value])).strip("[]'\"") == "***V***"


def test_a_value_that_came_from_a_file_is_also_hidden_without_its_last_line_end() -> None:
    assert Secrets({"V": "from-a-file\n"}).hide("it was from-a-file") == "it was ***V***"


@pytest.mark.parametrize(
    ("value", "text", "hidden"),
    [
        ("", "abc", "abc"),
        ("1", "1 of 11", "1 of 11"),
        ("abc", "abc", "abc"),
        ("info", "info is no information", "***V*** is no information"),
        ("longer-one", "xlonger-onex", "x***V***x"),
    ],
)
def test_short_values_are_hidden_with_care(value: str, text: str, hidden: str) -> None:
    assert Secrets({"V": value}).hide(text) == hidden


def test_a_value_that_is_part_of_another_does_not_uncover_it() -> None:
    assert Secrets({"A": "password", "B": "password-of-admin"}).hide("password-of-admin") == "***B***"


def test_json_is_searched_to_the_bottom() -> None:
    secrets = Secrets({"PIN": "12345678"})

    found = secrets.hide_in({"12345678": [{"n": 12345678, "t": ("a 12345678", True, None, 1.5)}]})

    assert found == {"***PIN***": [{"n": "***PIN***", "t": ["a ***PIN***", True, None, 1.5]}]}


def test_payloads_without_secrets_stay_what_they_are() -> None:
    payload = Payload.of({"a": 1.0})

    assert SECRETS.hide_in_payload(payload) is payload
    assert NO_SECRETS.hide_in_payload(payload) is payload


def test_they_travel_and_do_not_show_themselves() -> None:
    again = pickle.loads(pickle.dumps(SECRETS))

    assert again.hide(TOKEN) == MARK
    assert repr(again) == "Secrets(TOKEN)"


async def give_back(token: str) -> Any:
    return {"sent": f"Bearer {token}"}


async def fail(token: str) -> Any:
    raise ValueError(f"{'x' * 1990}{token}{'y' * 5000}")


async def chain(token: str) -> Any:
    try:
        raise LookupError(token)
    except LookupError as error:
        raise ConnectionError("no answer") from error


async def refuse(token: str) -> Any:
    return StepResult.failed(f"{token} was refused", type=token)


async def skip(token: str) -> Any:
    return StepResult.skipped(f"nothing for {token}")


async def wait(token: str) -> Any:
    return StepResult.deferred(1, {"for": token})


async def give_what_cannot_be_kept(token: str) -> Any:
    return {token: object()}


@pytest.mark.parametrize("handler", [give_back, fail, chain, refuse, skip, wait, give_what_cannot_be_kept])
async def test_nothing_that_a_handler_gives_back_shows_a_secret(handler: Any) -> None:
    outcome = await invoke(handler, {"token": TOKEN}, secrets=SECRETS)

    assert "s3cr3t" not in repr(outcome)
    match outcome:
        case Succeeded(output) | Deferred(_, output):
            assert output is not None
            assert MARK in output.text
        case Failed(error):
            assert MARK in f"{error.message} {error.traceback}"
        case Skipped(reason):
            assert MARK in reason


async def test_a_message_about_an_input_that_does_not_fit_shows_no_part_of_it() -> None:
    async def takes_a_number(token: int) -> None:
        """Never called."""

    long = "0123456789abcdef" * 50
    outcome = await invoke(takes_a_number, {"token": long}, secrets=Secrets({"LONG": long}))

    assert isinstance(outcome, Failed)
    assert "0123456789" not in outcome.error.message
    assert "***LONG***" in outcome.error.message


@step_handler("Elsewhere", executor="process")
def elsewhere(ctx: StepContext, token: str, fails: bool) -> str:
    if fails:
        raise ValueError(f"bad {token}")
    return token


@pytest.mark.parametrize("fails", [True, False])
async def test_other_processes_hide_them_too(fails: bool) -> None:
    pool = HandlerProcesses(1)
    try:
        outcome = await invoke(
            elsewhere,
            {"token": TOKEN, "fails": fails},
            ctx=context(secrets=SECRETS),
            processes=pool,
            secrets=SECRETS,
        )
    finally:
        pool.close()

    assert "s3cr3t" not in repr(outcome)
    assert MARK in repr(outcome)


def test_the_log_of_an_attempt_hides_them() -> None:
    with capture_logs() as lines:
        log = context(secrets=SECRETS).log
        event = f"sent {TOKEN}"
        log.info(event, header={"Authorization": f"Bearer {TOKEN}"}, error=ValueError(TOKEN))
        try:
            raise LookupError(TOKEN)
        except LookupError as error:
            log.exception("failed")
            log.warning("again", exc_info=error)

    assert "s3cr3t" not in repr(lines)
    assert [line["event"] for line in lines] == [f"sent {MARK}", "failed", "again"]
    assert all(f"LookupError: {MARK}" in line["exception"] for line in lines[1:])


def test_the_log_of_an_attempt_goes_where_the_application_sends_it(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        structlog.configure(
            processors=[structlog.processors.JSONRenderer()],
            wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        )
        context(secrets=SECRETS).log.info("sent", token=TOKEN)
    finally:
        structlog.reset_defaults()

    assert json.loads(capsys.readouterr().out)["token"] == MARK

"""Failure notices as a web server gets them."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from floworch import ConfigurationError, FailureNotice, RunRecord, RunStatus, WebhookNotifier
from floworch.core.model.notices import FailedStep
from floworch.errors import NotificationFailed
from tests.servers.http import Answer, Server, serving
from tests.unit.core.handlers.support import NOW, RUN_ID

RUN = RunRecord(
    RUN_ID, UUID(int=7), "Import", "2", "hash", RunStatus.FAILED, "manual", 3, NOW, NOW + timedelta(seconds=5)
)
NOTICE = FailureNotice(
    replace(RUN, tags={"tenant": "Äcme"}), [FailedStep("load", "Load", 2, "ValueError", "no such file", NOW)], 1
)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


@pytest.fixture
async def webhook(server: Server) -> AsyncIterator[WebhookNotifier]:
    notifier = WebhookNotifier(f"{server.url}/failed?token=s3cret", headers={"X-From": "tests"}, timeout=5)
    yield notifier
    await notifier.aclose()


async def test_the_notice_is_posted_as_json_with_the_headers(server: Server, webhook: WebhookNotifier) -> None:
    await webhook(NOTICE)

    [asked] = server.asked
    assert (asked.method, asked.path) == ("POST", "/failed?token=s3cret")
    assert json.loads(asked.body) == NOTICE.to_json()
    assert asked.headers["content-type"] == "application/json"
    assert asked.headers["x-from"] == "tests"


async def test_all_attempts_have_one_idempotency_key_and_another_end_another_one(
    server: Server, webhook: WebhookNotifier
) -> None:
    await webhook(NOTICE)
    await webhook(replace(NOTICE, attempt=2))
    await webhook(replace(NOTICE, run=replace(RUN, ended_at=NOW + timedelta(hours=1))))

    first, second, third = (asked.headers["idempotency-key"] for asked in server.asked)
    assert first == second != third
    assert server.connections == 1


@pytest.mark.parametrize("status", [301, 400, 404, 500, 503])
async def test_what_is_not_accepted_fails(server: Server, webhook: WebhookNotifier, status: int) -> None:
    server.answer = lambda asked: Answer(status, b"sorry", {"Location": "/elsewhere"})

    with pytest.raises(NotificationFailed, match=str(status)):
        await webhook(NOTICE)

    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [200, 202, 204])
async def test_an_answer_that_accepts_is_not_read(server: Server, webhook: WebhookNotifier, status: int) -> None:
    body = b"" if status == 204 else b"x" * 200_000
    server.answer = lambda asked: Answer(status, body)

    await webhook(NOTICE)


async def test_no_answer_in_time_fails(server: Server) -> None:
    release = threading.Event()
    server.answer = lambda asked: Answer(200 if release.wait(30) else 500)
    webhook = WebhookNotifier(server.url, timeout=0.05)

    try:
        with pytest.raises(NotificationFailed, match="no answer within"):
            await webhook(NOTICE)
    finally:
        release.set()
        await webhook.aclose()


async def test_neither_errors_nor_logs_hold_what_is_secret_in_the_address(
    server: Server, webhook: WebhookNotifier, caplog: pytest.LogCaptureFixture
) -> None:
    server.answer = lambda asked: Answer(500)

    with caplog.at_level(logging.INFO), pytest.raises(NotificationFailed) as failure:
        await webhook(NOTICE)

    assert "s3cret" not in str(failure.value)
    assert "s3cret" not in caplog.text


@pytest.mark.parametrize("url", ["", "hooks.example/failed", "ftp://hooks.example", "/failed"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"hooks\.example"):
        WebhookNotifier(url)

"""HTTP requests of steps, against a server."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from floworch.core.handlers import Failed, HandlerRegistry, HandlerThreads, Services, StepOutcome, Succeeded
from floworch.core.handlers.builtin import BUILTIN_HANDLERS
from floworch.core.handlers.builtin.http.answers import retry_after
from floworch.core.handlers.secrets import NO_SECRETS, Secrets
from tests.servers.http import Answer, Server, serving
from tests.unit.core.handlers.support import NOW, RUN_ID, invoke

Send = Callable[..., Awaitable[StepOutcome]]


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


@pytest.fixture
async def send(server: Server) -> AsyncIterator[Send]:
    """Send a request to a path of the server."""
    registry = HandlerRegistry()
    registry.add(*BUILTIN_HANDLERS)
    handlers = registry.build(Services())
    threads = HandlerThreads(1)

    async def request(path: str = "/", *, secrets: Secrets = NO_SECRETS, **inputs: Any) -> StepOutcome:
        inputs.setdefault("url", server.url + path)
        return await invoke(handlers.get("HttpRequest"), inputs, threads=threads, secrets=secrets)

    yield request
    threads.close()
    assert await handlers.aclose() == []


def output(outcome: StepOutcome) -> Any:
    assert isinstance(outcome, Succeeded), outcome
    return outcome.output.value


def failure(outcome: StepOutcome) -> tuple[str, str, bool]:
    assert isinstance(outcome, Failed), outcome
    return outcome.error.type, outcome.error.message, outcome.error.retryable


async def test_the_output_is_status_headers_and_body(server: Server, send: Send) -> None:
    headers = {"Content-Type": "application/json; charset=utf-8", "X-Rate": "7"}
    server.answer = lambda asked: Answer(201, b'{"id": 1, "price": 1.10}', headers)

    found = output(await send("/orders"))

    assert found["status"] == 201
    assert found["headers"]["x-rate"] == "7"
    assert found["body"] == {"id": 1, "price": 1.1}
    assert server.asked[0].method == "GET"
    assert server.asked[0].path == "/orders"


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        ("application/problem+json", b'["a"]', ["a"]),
        ("", b'{"a": 1}', {"a": 1}),
        ("", b"just text", "just text"),
        ("application/json", b"{broken", "{broken"),
        ("application/json", b"[NaN]", "[NaN]"),
        ("text/plain", b"5", "5"),
        ("text/plain; charset=latin-1", "grün".encode("latin-1"), "grün"),
        ("text/plain; charset=no-such-charset", b"abc", "abc"),
        ("text/plain", b"\xff\x00a", "\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}a"),
        ("application/json", b"", None),
    ],
)
async def test_the_body_is_json_where_it_is_json(
    server: Server, send: Send, content_type: str, body: bytes, expected: Any
) -> None:
    server.answer = lambda asked: Answer(200, body, {"Content-Type": content_type} if content_type else {})

    assert output(await send())["body"] == expected


async def test_query_headers_and_body_are_sent(server: Server, send: Send) -> None:
    await send(
        "/search?page=1&lang=en",
        method="post",
        query={"page": 2, "q": "a&b ü", "tag": ["x", "y"], "none": None, "deep": True},
        headers={"X-Number": 7, "X-None": None},
        body={"amount": 1.5, "list": [None]},
    )

    [asked] = server.asked
    assert asked.method == "POST"
    assert asked.path == "/search?page=2&lang=en&q=a%26b+%C3%BC&tag=x&tag=y&deep=true"
    assert asked.headers["x-number"] == "7"
    assert "x-none" not in asked.headers
    assert asked.headers["content-type"] == "application/json"
    assert json.loads(asked.body) == {"amount": 1.5, "list": [None]}


async def test_text_is_sent_as_it_is(server: Server, send: Send) -> None:
    await send(method="PUT", text="<a>ü</a>", headers={"content-type": "application/xml"})
    await send(method="PUT", text="ü")

    assert [asked.body.decode() for asked in server.asked] == ["<a>ü</a>", "ü"]
    assert [asked.headers["content-type"] for asked in server.asked] == [
        "application/xml",
        "text/plain; charset=utf-8",
    ]


async def test_unsafe_requests_carry_the_idempotency_key_of_the_step(server: Server, send: Send) -> None:
    await send(method="POST")
    await send(method="POST", headers={"idempotency-key": "mine"})
    await send(method="GET")

    assert [asked.headers.get("idempotency-key") for asked in server.asked] == [f"{RUN_ID}:charge", "mine", None]


@pytest.mark.parametrize(
    ("status", "retryable"),
    [(400, False), (401, False), (404, False), (408, True), (425, True), (429, True), (503, True)],
)
async def test_an_unexpected_status_fails_the_attempt(server: Server, send: Send, status: int, retryable: bool) -> None:
    server.answer = lambda asked: Answer(status, b"because", {"Retry-After": "7"})

    outcome = await send("/path?key=secret")

    error_type, message, is_retryable = failure(outcome)
    assert (error_type, is_retryable) == ("HttpStatus", retryable)
    assert message.startswith(f"GET {server.url}/path answered {status} ")
    assert message.endswith(": because")
    assert isinstance(outcome, Failed)
    assert outcome.retry_after == (timedelta(seconds=7) if retryable else None)


@pytest.mark.parametrize(
    ("expected", "status", "is_fine"),
    [(404, 404, True), ([200, "404"], 404, True), ("4xx", 404, True), ("400-404", 404, True), ("400-403", 404, False)],
)
async def test_which_statuses_are_expected_can_be_said(
    server: Server, send: Send, expected: Any, status: int, is_fine: bool
) -> None:
    server.answer = lambda asked: Answer(status)

    assert isinstance(await send(expectedStatuses=expected), Succeeded if is_fine else Failed)


async def test_redirects_are_followed_when_asked_for(server: Server, send: Send) -> None:
    def answer(asked: Any) -> Answer:
        return Answer(302, b"", {"Location": "/new"}) if asked.path == "/old" else Answer(200, b"new")

    server.answer = answer

    assert failure(await send("/old"))[0] == "HttpStatus"
    assert output(await send("/old", followRedirects=True))["body"] == "new"


async def test_redirects_in_a_circle_fail_for_good(server: Server, send: Send) -> None:
    server.answer = lambda asked: Answer(302, b"", {"Location": "/"})

    error_type, _, retryable = failure(await send(followRedirects=True))

    assert (error_type, retryable) == ("HttpInvalid", False)


async def test_an_answer_that_is_too_large_fails_for_good(server: Server, send: Send) -> None:
    server.answer = lambda asked: Answer(200, b"x" * 2000)

    error_type, message, retryable = failure(await send(maxResponseBytes=1999))

    assert (error_type, retryable) == ("HttpResponseTooLarge", False)
    assert "more than 1,999 bytes" in message
    assert len(output(await send(maxResponseBytes=2000))["body"]) == 2000


async def test_a_server_that_takes_too_long_is_worth_another_attempt(server: Server, send: Send) -> None:
    released = threading.Event()

    def answer(asked: Any) -> Answer:
        released.wait(30)
        return Answer()

    server.answer = answer
    error_type, message, retryable = failure(await send(timeoutSeconds=0.05))
    released.set()

    assert (error_type, retryable) == ("HttpTimeout", True)
    assert message.endswith("no answer within 0.05 seconds")


async def test_a_server_that_is_not_there_is_worth_another_attempt(send: Send) -> None:
    error_type, message, retryable = failure(await send(url="http://user:pass@127.0.0.1:1/a?b=c#d"))

    assert (error_type, retryable) == ("HttpNetwork", True)
    assert message.startswith("GET http://127.0.0.1:1/a: ConnectError")


@pytest.mark.parametrize(
    "inputs",
    [
        {"url": "ftp://example.org/"},
        {"url": "example.org"},
        {"method": "GET IT"},
        {"body": 1, "text": "a"},
        {"expectedStatuses": "2x"},
        {"expectedStatuses": []},
        {"timeoutSeconds": 0},
        {"maxResponseBytes": -1},
        {"headers": {"X-A": "a\r\nX-B: b"}},
        {"headers": {"X-A": "ü"}},
        {"folowRedirects": True},
    ],
)
async def test_what_cannot_be_sent_fails_for_good(server: Server, send: Send, inputs: dict[str, Any]) -> None:
    error_type, _, retryable = failure(await send(**inputs))

    assert error_type in ("BindingError", "HttpInvalid")
    assert not retryable
    assert server.asked == []


async def test_one_connection_serves_many_requests_and_no_cookie_is_kept(server: Server, send: Send) -> None:
    server.answer = lambda asked: Answer(200, b"", {"Set-Cookie": "session=1; Path=/"})

    for _ in range(3):
        await send()

    assert server.connections == 1
    assert [asked.headers.get("cookie") for asked in server.asked] == [None, None, None]


async def test_secrets_are_sent_and_not_told(server: Server, send: Send, caplog: pytest.LogCaptureFixture) -> None:
    token = "token-of-the-api"
    server.answer = lambda asked: Answer(403, f"{asked.path} {asked.headers['authorization']}".encode())

    with caplog.at_level(logging.DEBUG):
        outcome = await send(
            f"/?key={token}", headers={"Authorization": f"Bearer {token}"}, secrets=Secrets({"API_TOKEN": token})
        )

    assert server.asked[0].headers["authorization"] == f"Bearer {token}"
    assert token not in repr(outcome)
    assert "***API_TOKEN***" in failure(outcome)[1]
    assert token not in caplog.text


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("0", 0),
        ("120", 120),
        ("99999999999999999999", 3600),
        ("Fri, 02 Jan 2026 03:05:05 GMT", 60),
        ("Fri, 02 Jan 2026 04:04:05 +0100", 0),
        ("Thu, 01 Jan 2026 00:00:00 GMT", 0),
        ("Thu, 01 Jan 2099 00:00:00 GMT", 3600),
        ("Fri, 02 Jan 2026 03:05:05 -0000", 60),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("Fri, 99 Xyz 2026 03:05:05 GMT", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_an_hour_at_most(header: str | None, wait: int | None) -> None:
    assert datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC) == NOW
    assert retry_after(header, NOW) == (None if wait is None else timedelta(seconds=wait))

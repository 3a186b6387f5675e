"""The HTTP client behind ``HttpRequest`` steps, one per orchestrator."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from datetime import datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Final, TypeAlias

import httpx

from floworch.core.handlers.builtin.http.answers import refused, succeeded, too_large
from floworch.core.handlers.builtin.http_statuses import is_among
from floworch.core.handlers.results import StepResult
from floworch.core.model.payload import Json, Payload

__all__ = ["HttpClient"]

_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_INVALID: Final = (
    httpx.InvalidURL,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
    httpx.TooManyRedirects,
    UnicodeError,
)
"""Would fail in the same way the next time."""
_Scalar: TypeAlias = str | int | float | bool | None
_IN_STEP: Final = ContextVar("floworch_http_request", default=False)


class HttpClient:
    """Keeps connections open between requests, and nothing else: no cookies, no credentials."""

    def __init__(self) -> None:
        no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
        self._client = httpx.AsyncClient(cookies=no_cookies)
        self._filter = _WithoutSteps()
        logging.getLogger("httpx").addFilter(self._filter)

    async def aclose(self) -> None:
        logging.getLogger("httpx").removeFilter(self._filter)
        await self._client.aclose()

    async def send(
        self,
        *,
        method: str,
        url: str,
        headers: Mapping[str, Any],
        query: Mapping[str, Any],
        body: Json,
        text: str | None,
        expected: Sequence[range],
        timeout_seconds: float,
        follow_redirects: bool,
        max_bytes: int,
        idempotency_key: str,
        now: Callable[[], datetime],
    ) -> StepResult:
        """One request and its answer, or why there is none. Nothing of it appears in the log of httpx."""
        token = _IN_STEP.set(True)
        try:
            request = self._request(method, url, headers, query, body, text, idempotency_key)
            async with asyncio.timeout(timeout_seconds):
                response = await self._client.send(request, stream=True, follow_redirects=follow_redirects)
                try:
                    content = await _read(response, max_bytes)
                finally:
                    await response.aclose()
        except (TimeoutError, httpx.TimeoutException):
            return _failed(method, url, f"no answer within {timeout_seconds:g} seconds", "HttpTimeout")
        except _INVALID as error:
            return _failed(method, url, str(error), "HttpInvalid", retryable=False)
        except httpx.RequestError as error:
            return _failed(method, url, f"{type(error).__name__}: {error}", "HttpNetwork")
        finally:
            _IN_STEP.reset(token)
        if not is_among(response.status_code, expected):
            return refused(method, _shown(url), response, content, now())
        return too_large(method, _shown(url), max_bytes) if len(content) > max_bytes else succeeded(response, content)

    def _request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, Any],
        query: Mapping[str, Any],
        body: Json,
        text: str | None,
        idempotency_key: str,
    ) -> httpx.Request:
        sent = httpx.Headers({name: _plain(value) for name, value in headers.items() if value is not None})
        if method not in _SAFE_METHODS:
            sent.setdefault("Idempotency-Key", idempotency_key)
        content = None if text is None else text.encode()
        if body is not None:
            content = Payload.of(body).text.encode()
        if content is not None:
            sent.setdefault("Content-Type", "text/plain; charset=utf-8" if body is None else "application/json")
        target = httpx.URL(url).copy_merge_params(_query(query)) if query else httpx.URL(url)
        return self._client.build_request(method, target, headers=sent, content=content, timeout=None)


class _WithoutSteps(logging.Filter):
    """httpx logs whole URLs, in which there may be secrets."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not _IN_STEP.get()


async def _read(response: httpx.Response, max_bytes: int) -> bytes:
    """The body, or a little more than may be had of it."""
    content = bytearray()
    async for chunk in response.aiter_bytes():
        content += chunk
        if len(content) > max_bytes:
            break
    return bytes(content)


def _query(query: Mapping[str, Any]) -> list[tuple[str, _Scalar]]:
    return [
        (name, _plain(each))
        for name, value in query.items()
        for each in (value if isinstance(value, list) else [value])
        if each is not None
    ]


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _failed(method: str, url: str, reason: str, error_type: str, *, retryable: bool = True) -> StepResult:
    return StepResult.failed(f"{method} {_shown(url)}: {reason}", type=error_type, retryable=retryable)


def _shown(url: str) -> str:
    """The URL without user, password and query: they hold what should not be told."""
    address = url.partition("#")[0].partition("?")[0]
    scheme, separator, rest = address.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}"

"""What the answer to a request means for the step."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

import httpx

from floworch.core.handlers.results import StepResult
from floworch.core.model.payload import Json, Payload
from floworch.errors import InvalidPayload

__all__ = ["HTTP_STATUS", "refused", "retry_after", "succeeded", "too_large"]

HTTP_STATUS: Final = "HttpStatus"
_LONGEST_RETRY_AFTER: Final = timedelta(hours=1)
"""A server must not be able to park a run for months."""
_WORTH_ANOTHER_ATTEMPT: Final = frozenset({408, 425, 429})
_SHOWN_CHARACTERS: Final = 500


def succeeded(response: httpx.Response, content: bytes) -> StepResult:
    """The output of the step: status, headers by their names in lower case, and the body."""
    body = _body(response, content)
    return StepResult.succeeded({"status": response.status_code, "headers": _headers(response), "body": body})


def refused(method: str, url: str, response: httpx.Response, content: bytes, now: datetime) -> StepResult:
    """A status that the step does not expect."""
    status = response.status_code
    is_retryable = status in _WORTH_ANOTHER_ATTEMPT or status >= 500
    answer = f"{status} {response.reason_phrase}".strip()
    told = _shortened(_text(response, content).strip())
    message = f"{method} {url} answered {answer}" + (f": {told}" if told else "")
    wait = retry_after(response.headers.get("retry-after"), now) if is_retryable else None
    return StepResult.failed(message, type=HTTP_STATUS, retryable=is_retryable, retry_after=wait)


def too_large(method: str, url: str, max_bytes: int) -> StepResult:
    message = f"{method} {url} answered with more than {max_bytes:,} bytes; raise maxResponseBytes or ask for less."
    return StepResult.failed(message, type="HttpResponseTooLarge", retryable=False)


def retry_after(header: str | None, now: datetime) -> timedelta | None:
    """How long to wait by the header ``Retry-After``, seconds or a date (RFC 9110, 10.2.3); an hour at most.

    None when the header is missing or makes no sense.
    """
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return min(timedelta(seconds=min(int(text[:10]), 10**9)), _LONGEST_RETRY_AFTER)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return min(max(at - now, timedelta(0)), _LONGEST_RETRY_AFTER)


def _headers(response: httpx.Response) -> dict[str, str]:
    return {name: _storable(value) for name, value in response.headers.items()}


def _body(response: httpx.Response, content: bytes) -> Json:
    """JSON if that is what it says it is, or says nothing; else text; null where there is nothing."""
    if not content:
        return None
    media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not media_type or media_type.endswith(("/json", "+json")):
        try:
            return Payload.from_text(content).value
        except InvalidPayload:
            return _text(response, content)
    return _text(response, content)


def _text(response: httpx.Response, content: bytes) -> str:
    try:
        return _storable(content.decode(response.charset_encoding or "utf-8", "replace"))
    except LookupError:  # a charset that nobody knows
        return _storable(content.decode("utf-8", "replace"))


def _storable(text: str) -> str:
    """No database keeps this character in a text."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 1]}…"

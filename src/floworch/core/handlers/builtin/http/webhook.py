"""Sends failure notices with the client of ``HttpRequest`` steps."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from floworch.core.handlers.builtin.http.client import HttpClient
from floworch.core.handlers.builtin.http_statuses import SUCCESS
from floworch.core.handlers.results import ResultKind
from floworch.core.model.notices import FailureNotice
from floworch.errors import NotificationFailed

__all__ = ["WebhookSender"]

_MOST_BYTES = 64 * 1024
"""Of the answer, which nobody reads."""


class WebhookSender:
    """Keeps connections open between notices."""

    def __init__(self, url: str, headers: Mapping[str, str], timeout_seconds: float) -> None:
        self._client = HttpClient()
        self._url = url
        self._headers = headers
        self._timeout_seconds = timeout_seconds

    async def aclose(self) -> None:
        await self._client.aclose()

    async def send(self, notice: FailureNotice) -> None:
        """Raises NotificationFailed when it was not accepted."""
        ended_at = notice.run.ended_at
        result = await self._client.send(
            method="POST",
            url=self._url,
            headers=self._headers,
            query={},
            body=notice.to_json(),
            text=None,
            expected=SUCCESS,
            timeout_seconds=self._timeout_seconds,
            follow_redirects=False,
            max_bytes=_MOST_BYTES,
            idempotency_key=f"{notice.run.id}:{'' if ended_at is None else ended_at.isoformat()}",
            now=lambda: datetime.now(UTC),
        )
        if result.kind is ResultKind.FAILED and result.error_type != "HttpResponseTooLarge":  # that was accepted
            raise NotificationFailed(result.reason)

"""Ready-made notifiers for ``on_failure``."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from floworch.core.model.notices import FailureNotice
from floworch.errors import ConfigurationError

if TYPE_CHECKING:
    from floworch.core.handlers.builtin.http.webhook import WebhookSender

__all__ = ["WebhookNotifier"]


class WebhookNotifier:
    """Posts :meth:`FailureNotice.to_json <floworch.core.model.notices.FailureNotice.to_json>` to ``url``.

    Every answer but 2xx, and none within ``timeout`` seconds, is a failed attempt, which is made again later. All
    attempts for one end of a run have the same header ``Idempotency-Key``. Redirects are not followed. Raises
    ConfigurationError for what is no HTTP URL, and where ``pip install 'floworch[http]'`` is needed.
    """

    def __init__(self, url: str, *, headers: Mapping[str, str] | None = None, timeout: float = 8.0) -> None:
        if not url.lower().startswith(("http://", "https://")):
            raise ConfigurationError(f"a webhook has an address such as https://hooks.example/failed, not {url!r}")
        if find_spec("httpx") is None:
            raise ConfigurationError("WebhookNotifier needs httpx: pip install 'floworch[http]'.")
        self._url = url
        self._headers = dict(headers or {})
        self._timeout_seconds = timeout
        self._sender: WebhookSender | None = None

    async def __call__(self, notice: FailureNotice) -> None:
        sender = self._sender = self._sender or self._make_sender()
        await sender.send(notice)

    async def aclose(self) -> None:
        """Close the connections."""
        if self._sender is not None:
            await self._sender.aclose()
            self._sender = None

    def _make_sender(self) -> WebhookSender:
        # By name: httpx is loaded only by those who use it.
        http = import_module("floworch.core.handlers.builtin.http.webhook")
        sender: WebhookSender = http.WebhookSender(self._url, self._headers, self._timeout_seconds)
        return sender

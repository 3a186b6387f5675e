"""The built-in step type ``HttpRequest``."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field, PlainValidator

from floworch.core.handlers.builtin.http_statuses import SUCCESS, statuses_of
from floworch.core.handlers.context import StepContext
from floworch.core.handlers.results import StepResult
from floworch.core.handlers.spec import HandlerSpec, marked
from floworch.core.model.payload import Json

if TYPE_CHECKING:
    from floworch.core.handlers.builtin.http.client import HttpClient

__all__ = ["HttpRequest"]

_MOST_BYTES = 256 * 1024 * 1024


def _upper(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value


Method = Annotated[str, BeforeValidator(_upper), Field(pattern="^[A-Z]+$")]
Url = Annotated[str, Field(pattern="^[Hh][Tt][Tt][Pp][Ss]?://")]
Scalar = str | int | float | bool | None
Statuses = Annotated[Sequence[range], PlainValidator(statuses_of)]


@marked(HandlerSpec("HttpRequest", extra=("httpx", "http"), checks_literals=True))
class HttpRequest:
    """Send a request over HTTP and give back the status, the headers and the body of the answer.

    ``body`` is sent as JSON, ``text`` as it is. Header and query values that are null are left out. What is not among
    ``expected_statuses`` fails the attempt; it is worth another one for 408, 425, 429 and 5xx, not before the time that
    the answer's ``Retry-After`` says.
    """

    def __init__(self) -> None:
        self._client: HttpClient | None = None

    async def __call__(
        self,
        ctx: StepContext,
        url: Url,
        method: Method = "GET",
        headers: dict[str, Scalar] | None = None,
        query: dict[str, Scalar | list[Scalar]] | None = None,
        body: Json = None,
        text: str | None = None,
        expected_statuses: Statuses = SUCCESS,
        timeout_seconds: Annotated[float, Field(gt=0, le=86_400)] = 30.0,
        follow_redirects: bool = False,
        max_response_bytes: Annotated[int, Field(gt=0, le=_MOST_BYTES)] = 1_000_000,
    ) -> StepResult:
        if body is not None and text is not None:
            message = "An HttpRequest takes either 'body', which is sent as JSON, or 'text', not both."
            return StepResult.failed(message, type="BindingError", retryable=False)
        return await self._opened().send(
            method=method,
            url=url,
            headers=headers or {},
            query=query or {},
            body=body,
            text=text,
            expected=expected_statuses,
            timeout_seconds=timeout_seconds,
            follow_redirects=follow_redirects,
            max_bytes=max_response_bytes,
            idempotency_key=ctx.idempotency_key,
            now=lambda: ctx.now,
        )

    async def aclose(self) -> None:
        """Close the connections that are kept open for the next request."""
        if self._client is not None:
            await self._client.aclose()

    def _opened(self) -> HttpClient:
        """The client of this orchestrator, made when it is first needed."""
        client = self._client
        if client is None:
            # By name: httpx is loaded only by those who send requests.
            client = self._client = import_module("floworch.core.handlers.builtin.http.client").HttpClient()
        return client

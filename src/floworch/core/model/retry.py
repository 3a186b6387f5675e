"""The retry settings of a step, as the manifest holds them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Protocol

from pydantic import BeforeValidator, Field, model_serializer

from floworch.core.model.payload import Json
from floworch.core.model.wire import Seconds, WireModel

__all__ = ["RetryLike", "RetrySettings", "StepRetry"]


class RetryLike(Protocol):
    """The shape of :class:`floworch.core.policy.retry.RetryPolicy`."""

    @property
    def max_attempts(self) -> int: ...
    @property
    def backoff(self) -> str: ...
    @property
    def initial(self) -> float: ...
    @property
    def max(self) -> float: ...
    @property
    def jitter(self) -> bool | float: ...
    @property
    def retry_on(self) -> Any: ...
    @property
    def give_up_on(self) -> Any: ...


def _error_names(value: Any) -> Any:
    if isinstance(value, str | type):
        value = [value]
    if not isinstance(value, list | tuple | set | frozenset):
        return value
    return tuple(item.__name__ if isinstance(item, type) else item for item in value)


ErrorNames = Annotated[tuple[str, ...], BeforeValidator(_error_names)]


class RetrySettings(WireModel):
    """How often and when a failed step is tried again. A setting that is None is the policy's default."""

    max_attempts: Annotated[int, Field(ge=1, strict=True)]
    """Attempts in all, the first one included."""
    backoff: Literal["fixed", "exponential"] | None = None
    """Whether the delay stays the same or doubles after each attempt."""
    initial: Annotated[Seconds | None, Field(ge=0, alias="initialSeconds")] = None
    """Seconds before the second attempt; 0 tries again at once."""
    max: Annotated[Seconds | None, Field(gt=0, alias="maxSeconds")] = None
    """Upper bound of the delay, in seconds."""
    jitter: bool | Annotated[float, Field(ge=0, le=1)] | None = None
    """Whether, or how much (0 to 1), the delays are varied at random."""
    retry_on: ErrorNames | None = None
    """Names of the only error types that are tried again."""
    give_up_on: ErrorNames | None = None
    """Names of error types that are not tried again."""

    @classmethod
    def from_policy(cls, policy: RetryLike) -> RetrySettings:
        """The JSON form of a policy; exception classes become their names."""
        values = {name: getattr(policy, name, None) for name in cls.model_fields}
        return cls.model_validate({name: value for name, value in values.items() if value not in (None, ())})

    def policy_fields(self) -> dict[str, Any]:
        """Keyword arguments for :class:`floworch.core.policy.retry.RetryPolicy`."""
        return {name: value for name in type(self).model_fields if (value := getattr(self, name)) is not None}

    @model_serializer(mode="wrap")
    def _to_wire(self, handler: Any) -> dict[str, Json]:
        fields = handler(self).items()
        return {name: list(value) if isinstance(value, tuple) else value for name, value in fields if value is not None}


def _retry_settings(value: Any) -> Any:
    if value is None or isinstance(value, Mapping | RetrySettings):
        return value
    if hasattr(value, "max_attempts"):
        return RetrySettings.from_policy(value)
    raise ValueError(f"Expected a RetryPolicy or an object such as {{'maxAttempts': 3}}, got {value!r}.")


StepRetry = Annotated[RetrySettings | None, BeforeValidator(_retry_settings)]
"""Retry settings; a ``RetryPolicy`` is accepted as well."""

"""The manifest: what a flow does and what starts it, as a value that is the same in Python, JSON and YAML."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, ValidationError, model_serializer

from floworch.core.model.defaults import StepDefaults
from floworch.core.model.diff import ManifestDiff, changes_between
from floworch.core.model.limits import Limit, Rate
from floworch.core.model.loading import check_size, parse_json, parse_manifest_text
from floworch.core.model.payload import Json, Payload
from floworch.core.model.problems import problems_of
from floworch.core.model.retry import RetryLike, RetrySettings
from floworch.core.model.run_after import RunAfter, RunAfterInput
from floworch.core.model.steps import (
    FOR_EACH,
    SCOPE,
    UNTIL,
    AnyStep,
    Block,
    Compensation,
    ExpressionText,
    ForEach,
    OnItemFailure,
    Scope,
    Step,
    StepBase,
    Until,
    block_type,
)
from floworch.core.model.timed_triggers import AtTrigger, CatchUp, CronTrigger, IntervalTrigger, Overlap, TimedTrigger
from floworch.core.model.trigger_base import TriggerBase
from floworch.core.model.triggers import AnyTrigger, ManualTrigger, Trigger, WebhookTrigger
from floworch.core.model.wire import JsonValue, Seconds, WireModel
from floworch.errors import FlowValidationError

__all__ = [
    "FOR_EACH",
    "SCOPE",
    "UNTIL",
    "AnyStep",
    "AnyTrigger",
    "AtTrigger",
    "Block",
    "CatchUp",
    "Compensation",
    "CronTrigger",
    "FlowManifest",
    "ForEach",
    "IntervalTrigger",
    "Limit",
    "ManualTrigger",
    "OnItemFailure",
    "Overlap",
    "Rate",
    "RetryLike",
    "RetrySettings",
    "RunAfter",
    "RunAfterInput",
    "Scope",
    "Step",
    "StepBase",
    "StepDefaults",
    "TimedTrigger",
    "Trigger",
    "TriggerBase",
    "Until",
    "WebhookTrigger",
    "block_type",
]


class FlowManifest(WireModel):
    """Triggers and steps of a flow. The order of the keys is kept and part of the value."""

    triggers: dict[str, AnyTrigger] = Field(default_factory=dict)
    """Trigger key → what starts a run."""
    steps: dict[str, AnyStep] = Field(default_factory=dict)
    """Step key → step."""
    timeout_seconds: Seconds | None = None
    """Seconds after its start at which a run is stopped and ends as TimedOut."""
    tags: dict[str, JsonValue] | None = None
    """Tag of every run → its value: a literal, or an expression over what has started the run. Null leaves it out."""
    defaults: StepDefaults | None = None
    """Retry policy and time limit of steps where neither they nor their handlers say anything."""
    limit: Limit | None = None
    """How many steps of all runs of the flow may run at once, and how often they may start."""
    concurrency_key: ExpressionText | None = None
    """Expression over what has started the run, evaluated once: the key whose runs share the :attr:`key_limit`. A run
    for which it is null has no key, and is not limited by it."""
    key_limit: Limit | None = None
    """The same as :attr:`limit`, for the runs of each key."""

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            steps: Mapping[str, AnyStep],
            triggers: Mapping[str, Trigger] | None = None,
            timeout_seconds: float | None = None,
            tags: Mapping[str, Any] | None = None,
            defaults: StepDefaults | Mapping[str, Any] | None = None,
            limit: Limit | None = None,
            concurrency_key: Any = None,
            key_limit: Limit | None = None,
        ) -> None: ...

    @classmethod
    def from_json(cls, data: str | bytes | Mapping[str, Any], *, source: str = "manifest") -> FlowManifest:
        """Read a manifest from JSON text or from an object that was parsed already.

        Raises :class:`~floworch.errors.FlowValidationError` with every problem of the manifest's form, under the name
        ``source``; whether its graph makes sense is checked when a flow is registered.
        """
        return cls._read(parse_json(data, source) if isinstance(data, str | bytes) else data, source)

    @classmethod
    def from_file(cls, path: str | PathLike[str]) -> FlowManifest:
        """Read a ``.json``, ``.yaml`` or ``.yml`` file. Raises as :meth:`from_json`, and ``OSError``."""
        file = Path(path)
        return cls._read(parse_manifest_text(file.read_bytes(), file.suffix, str(path)), str(path))

    @classmethod
    def _read(cls, data: Any, source: str) -> FlowManifest:
        check_size(data, source)
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise FlowValidationError(problems_of(error, source)) from None

    def to_dict(self) -> dict[str, Json]:
        """The manifest as plain JSON values in their canonical form."""
        return self.model_dump(mode="python")

    def to_json(self) -> str:
        """Canonical JSON: the same text for equal manifests, and the only one that is stored."""
        return Payload.of(self.to_dict()).text

    def diff(self, newer: FlowManifest) -> ManifestDiff:
        """What has changed from this manifest to the newer one, and what that means for runs that are under way."""
        return changes_between(self.to_dict(), newer.to_dict())

    @property
    def content_hash(self) -> str:
        """SHA-256 of :meth:`to_json`, as 64 hexadecimal digits."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    @model_serializer(mode="wrap")
    def _to_wire(self, handler: Any) -> dict[str, Json]:
        fields = handler(self)
        return {name: value for name, value in fields.items() if value is not None}

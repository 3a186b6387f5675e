"""What a flow limits, and by which key."""

from __future__ import annotations

from collections.abc import Iterator

from floworch.core.dag.rules.scopes import Finding
from floworch.core.dag.rules.start_values import start_value
from floworch.core.model.manifest import FlowManifest

__all__ = ["flow_limits"]


def flow_limits(manifest: FlowManifest) -> Iterator[Finding]:
    """Limits that limit nothing, a key without a limit or the other way round, and mistakes in its expression."""
    for place, limit in (("limit", manifest.limit), ("keyLimit", manifest.key_limit)):
        if limit is not None and limit.is_empty:
            yield Finding(place, "empty_limit", f"The {place} limits nothing; give it a concurrency, a rate or both.")
    key = manifest.concurrency_key
    if key is None:
        if manifest.key_limit is not None:
            message = 'A keyLimit needs a concurrencyKey, such as "@triggerBody()?.tenant".'
            yield Finding("keyLimit", "no_concurrency_key", message)
        return
    if "@" not in key:
        message = f'concurrencyKey must be an expression such as "@triggerBody()?.tenant", got the text {key!r}.'
        yield Finding("concurrencyKey", "not_an_expression", message)
    yield from start_value(key, "concurrencyKey")

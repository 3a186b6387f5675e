"""What must be unique, or well-formed, about flows side by side."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import NamedTuple, TypeVar
from uuid import UUID

from floworch.core.dag.rules.scopes import Finding
from floworch.core.model.manifest import FlowManifest, WebhookTrigger

__all__ = ["CheckedFlow", "bad_slugs", "duplicates", "identity", "slugs"]

_SLUG = re.compile(r"[A-Za-z0-9._~-]{1,200}")
_MAX_NAME_CHARS = 200

T = TypeVar("T")


class CheckedFlow(NamedTuple):
    """A flow as far as it could be read. ``label`` is how problems call it."""

    label: str
    id: object
    name: object
    version: object
    manifest: FlowManifest | None


def identity(flow: CheckedFlow) -> Iterator[Finding]:
    """The id, name and version of one flow."""
    if not isinstance(flow.id, UUID):
        shown = "it has none" if flow.id is None else f"got {flow.id!r}, which is no uuid.UUID"
        yield Finding("id", "bad_flow_id", f"The flow needs an id that stays the same for ever, a UUID; {shown}.")
    if not isinstance(flow.name, str) or not flow.name.strip() or len(flow.name) > _MAX_NAME_CHARS:
        message = f"The name must be text of 1 to {_MAX_NAME_CHARS} characters, got {flow.name!r}."
        yield Finding("name", "bad_flow_name", message)
    if not isinstance(flow.version, str):
        yield Finding("version", "bad_flow_version", f"The version must be text such as '1.0', got {flow.version!r}.")


def duplicates(flows: Sequence[CheckedFlow]) -> Iterator[tuple[CheckedFlow, Finding]]:
    """Ids, names and webhook slugs that an earlier flow has already."""
    for flow, first in _repeated(flows, lambda flow: flow.id if isinstance(flow.id, UUID) else None):
        message = f"The flow id {flow.id} is already used by {first.label}; every flow needs its own."
        yield flow, Finding("id", "duplicate_flow_id", message)
    for flow, first in _repeated(flows, lambda flow: flow.name if isinstance(flow.name, str) else None):
        message = f"The flow name {flow.name!r} is already used by the flow {first.id}; set another 'name'."
        yield flow, Finding("name", "duplicate_flow_name", message)
    uses = [(flow, location, slug) for flow in flows for location, slug in slugs(flow.manifest)]
    for (flow, location, slug), first_use in _repeated(uses, lambda use: use[2].casefold()):
        message = (
            f"The webhook slug {slug!r} is already used by {first_use[0].label} ({first_use[1]}); case does not count."
        )
        yield flow, Finding(location, "duplicate_slug", message)


def slugs(manifest: FlowManifest | None) -> Iterator[tuple[str, str]]:
    """Location and text of every webhook slug."""
    for key, trigger in manifest.triggers.items() if manifest else ():
        if isinstance(trigger, WebhookTrigger) and trigger.slug is not None:
            yield f"triggers.{key}.inputs.webhookSlug", trigger.slug


def bad_slugs(manifest: FlowManifest) -> Iterator[Finding]:
    """Slugs that cannot stand in an address as they are."""
    for location, slug in slugs(manifest):
        if not _SLUG.fullmatch(slug):
            message = f"Bad webhook slug {slug!r}: use 1 to 200 of the letters A-Z, a-z, digits and . _ ~ -"
            yield Finding(location, "bad_slug", message)


def _repeated(items: Sequence[T], key_of: Callable[[T], Hashable | None]) -> Iterator[tuple[T, T]]:
    """Each item whose key came before, with the first one that had it; None is no key."""
    seen: dict[Hashable, T] = {}
    for item in items:
        key = key_of(item)
        if key is not None and seen.setdefault(key, item) is not item:
            yield item, seen[key]

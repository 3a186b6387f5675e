"""The base class of flows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias
from uuid import UUID

from floworch.core.model.manifest import FlowManifest

__all__ = ["FlowDefinition", "FlowLike", "as_flow", "manifest_of"]


class FlowDefinition:
    """A flow: an id that stays the same for ever, a name, a version label and a manifest.

    Subclass it and set the attributes, or make an instance with keyword arguments. Nothing is checked here; the
    orchestrator validates all flows together when they are registered.
    """

    id: UUID
    name: str = "FlowDefinition"
    """Shown to people and accepted instead of the id; the class's own name unless it is set."""
    version: str = "1.0"
    """Free text. Runs stay with the manifest that they started with, whatever this says."""
    manifest: FlowManifest

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" not in cls.__dict__:
            cls.name = cls.__name__

    def __init__(
        self,
        *,
        id: UUID | None = None,
        name: str | None = None,
        version: str | None = None,
        manifest: FlowManifest | None = None,
    ) -> None:
        given = {"id": id, "name": name, "version": version, "manifest": manifest}
        for attribute, value in given.items():
            if value is not None:
                setattr(self, attribute, value)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r} {getattr(self, 'id', None)}>"


FlowLike: TypeAlias = FlowDefinition | type[FlowDefinition]


def manifest_of(flow: FlowDefinition) -> FlowManifest:
    """The flow's manifest, parsed if it was given as the object of parsed JSON.

    Raises :class:`~floworch.errors.FlowValidationError`.
    """
    manifest: object = flow.manifest
    return FlowManifest.from_json(manifest, source=flow.name) if isinstance(manifest, Mapping) else flow.manifest


def as_flow(flow: FlowLike) -> FlowDefinition:
    """The flow itself, or an instance of the class."""
    return flow() if isinstance(flow, type) else flow

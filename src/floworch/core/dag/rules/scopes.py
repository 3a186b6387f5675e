"""The scopes of a manifest, as the rules look at them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from floworch.core.dag.reachability import Ancestry
from floworch.core.model.manifest import FlowManifest, ForEach, Step

__all__ = ["Finding", "Scope", "is_placed_elsewhere", "scopes_of"]


class Finding(NamedTuple):
    """What a rule objects to. ``location`` is a path into the manifest."""

    location: str
    code: str
    message: str


@dataclass(frozen=True, slots=True, eq=False)
class Scope:
    """The steps of the flow, or of the body of one loop."""

    location: str
    steps: Mapping[str, Step | ForEach]
    ancestry: Ancestry
    outer: Scope | None = None
    loop_key: str | None = None
    """Key of the loop in ``outer`` whose body this is."""

    @property
    def depth(self) -> int:
        """Number of loops around the steps."""
        return 0 if self.outer is None else self.outer.depth + 1

    def at(self, key: str) -> str:
        """Location of one step."""
        return f"{self.location}.{key}"

    def outwards(self) -> Iterator[Scope]:
        """This scope, then each one around it."""
        scope: Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.outer

    def loops_around(self) -> list[str]:
        """Keys of the loops around the steps, innermost first."""
        return [scope.loop_key for scope in self.outwards() if scope.loop_key is not None]


def scopes_of(manifest: FlowManifest) -> list[Scope]:
    """All scopes, each one before the scopes inside it."""
    return list(_walk(_scope("steps", manifest.steps, None, None)))


def is_placed_elsewhere(key: str, here: Scope, scopes: list[Scope]) -> str | None:
    """Where a step that ``here`` does not have is found, in words; None when there is none."""
    around = set(here.outwards())
    for scope in scopes:
        if scope is not here and key in scope.steps:
            return _place(scope, scope in around)
    return None


def _walk(scope: Scope) -> Iterator[Scope]:
    yield scope
    for key, step in scope.steps.items():
        if isinstance(step, ForEach):
            yield from _walk(_scope(f"{scope.at(key)}.steps", step.steps, scope, key))


def _scope(location: str, steps: Mapping[str, Step | ForEach], outer: Scope | None, loop_key: str | None) -> Scope:
    ancestry = Ancestry({key: step.run_after.keys() for key, step in steps.items()})
    return Scope(location, steps, ancestry, outer, loop_key)


def _place(scope: Scope, around: bool) -> str:
    if around:
        return "outside of this loop"
    return f"inside the loop '{scope.loop_key}'" if scope.loop_key is not None else "at the top level"

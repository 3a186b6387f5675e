"""The scopes of a manifest, as the rules look at them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from floworch.core.dag.reachability import Ancestry
from floworch.core.model import manifest as model
from floworch.core.model.manifest import AnyStep, Block, FlowManifest

__all__ = ["OUTSIDE", "Finding", "Scope", "is_placed_elsewhere", "scopes_of"]


OUTSIDE = "outside of this block"


class Finding(NamedTuple):
    """What a rule objects to. ``location`` is a path into the manifest."""

    location: str
    code: str
    message: str


@dataclass(frozen=True, slots=True, eq=False)
class Scope:
    """The steps of the flow, or of one branch of a block."""

    location: str
    steps: Mapping[str, AnyStep]
    ancestry: Ancestry
    outer: Scope | None = None
    block_key: str | None = None
    """Key of the block in ``outer`` that the steps belong to."""
    block: Block | None = None
    beside: Scope | None = None
    """Steps that have ended before these begin, whatever becomes of them: those of the scope whose ``catch`` or
    ``finally`` this is."""

    @property
    def depth(self) -> int:
        """Number of blocks around the steps."""
        return 0 if self.outer is None else self.outer.depth + 1

    @property
    def block_words(self) -> str:
        """The block for people, e.g. ``loop 'months'``."""
        return f"{_kind(self.block)} '{self.block_key}'"

    def kind_of(self, key: str) -> str:
        """``loop``, ``scope`` or ``step``."""
        return _kind(self.steps[key])

    def at(self, key: str) -> str:
        """Location of one step."""
        return f"{self.location}.{key}"

    def outwards(self) -> Iterator[Scope]:
        """This scope, then each one around it."""
        scope: Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.outer

    def views(self, key: str) -> Iterator[tuple[Scope, str | None]]:
        """Where the step ``key`` finds other steps, and what runs after those there: itself or the block around it.
        None where all have ended."""
        reader: str | None = key
        for scope in self.outwards():
            yield scope, reader
            if scope.beside is not None:
                yield scope.beside, None
            reader = scope.block_key

    def blocks_around(self, *kinds: type[Block]) -> list[str]:
        """Keys of the blocks of these kinds around the steps, innermost first."""
        return [scope.block_key for scope in self.outwards() if scope.block_key and isinstance(scope.block, kinds)]


def scopes_of(manifest: FlowManifest) -> list[Scope]:
    """All scopes, each one before the scopes inside it."""
    return list(_walk(_scope("steps", manifest.steps)))


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
        if isinstance(step, Block):
            body = None
            for name, steps in step.branches().items():
                branch = _scope(f"{scope.at(key)}.{name}", steps, scope, key, step, body)
                body = body or branch
                yield from _walk(branch)


def _scope(
    location: str,
    steps: Mapping[str, AnyStep],
    outer: Scope | None = None,
    block_key: str | None = None,
    block: Block | None = None,
    beside: Scope | None = None,
) -> Scope:
    ancestry = Ancestry({key: step.run_after.keys() for key, step in steps.items()})
    return Scope(location, steps, ancestry, outer, block_key, block, beside)


def _kind(step: object) -> str:
    if isinstance(step, model.Scope):
        return "scope"
    return "loop" if isinstance(step, Block) else "step"


def _place(scope: Scope, around: bool) -> str:
    if around:
        return OUTSIDE
    return "at the top level" if scope.block is None else f"inside the {scope.block_words}"

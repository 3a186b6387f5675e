"""Step keys at run time.

A step of the flow itself has its manifest key. A step inside a block has the key of the block, the *branch* of the
block that it belongs to and its own key. The branch of a loop is the iteration's index, ``months.3.charge``; those of a
scope are ``steps``, ``compensate``, ``catch`` and ``finally``: ``payment.catch.refund``. Blocks nest:
``years.0.months.3.charge``.
The part before the last dot, ``months.3``, is the step's *scope*; the flow itself is the scope ``""``.
Manifest keys contain no dots, so a key splits in exactly one way.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

__all__ = [
    "CATCH",
    "COMPENSATE",
    "FINALLY",
    "STEPS",
    "blocks_around",
    "branch_scope",
    "child_key",
    "enclosing_scopes",
    "is_shielded",
    "iteration_scope",
    "outermost_iteration",
    "own_key",
    "scope_of",
    "scopes_in_sight",
    "split_iteration",
    "split_scope",
    "static_path",
]

STEPS: Final = "steps"
COMPENSATE: Final = "compensate"
CATCH: Final = "catch"
FINALLY: Final = "finally"


def child_key(scope: str, key: str) -> str:
    """Run-time key of the step ``key`` inside ``scope``."""
    return f"{scope}.{key}" if scope else key


def branch_scope(block_key: str, branch: str) -> str:
    """Scope of a branch of the block with the run-time key ``block_key``."""
    return f"{block_key}.{branch}"


def iteration_scope(loop_key: str, index: int) -> str:
    """Scope of iteration ``index`` of the loop with the run-time key ``loop_key``."""
    return f"{loop_key}.{index}"


def scope_of(step_key: str) -> str:
    """Scope that the step lives in; ``""`` for a step of the flow itself."""
    return step_key.rpartition(".")[0]


def own_key(step_key: str) -> str:
    """The step's key in its manifest scope."""
    return step_key.rpartition(".")[2]


def split_scope(scope: str) -> tuple[str, str]:
    """Block key and branch of a scope inside a block; the reverse of :func:`branch_scope`."""
    block_key, _, branch = scope.rpartition(".")
    return block_key, branch


def split_iteration(scope: str) -> tuple[str, int]:
    """Loop key and iteration index of a loop's scope; the reverse of :func:`iteration_scope`."""
    loop_key, _, index = scope.rpartition(".")
    return loop_key, int(index)


def outermost_iteration(step_key: str) -> str | None:
    """Scope of the outermost iteration around the step; None when the step is in no loop."""
    parts = step_key.split(".")
    loops = (place for place in range(1, len(parts), 2) if parts[place].isdigit())
    place = next(loops, None)
    return None if place is None else ".".join(parts[: place + 1])


def enclosing_scopes(scope: str) -> Iterator[str]:
    """``scope`` itself, then every scope around it, ending with ``""``."""
    while scope:
        yield scope
        scope = scope_of(split_scope(scope)[0])
    yield ""


def blocks_around(step_key: str) -> list[str]:
    """Keys of the blocks that the step is in, the innermost first."""
    return [split_scope(scope)[0] for scope in enclosing_scopes(scope_of(step_key)) if scope]


def scopes_in_sight(scope: str) -> Iterator[str]:
    """Where expressions of a step in ``scope`` look for other steps, nearest first.

    What follows from the steps of a scope sees them; a compensation sees them instead of other compensations.
    """
    for around in enclosing_scopes(scope):
        block_key, branch = split_scope(around)
        if branch != COMPENSATE:
            yield around
        if branch in (COMPENSATE, CATCH, FINALLY):
            yield branch_scope(block_key, STEPS)


def is_shielded(step_key: str) -> bool:
    """Whether the step runs although its run is being stopped: it cleans up after others."""
    return any(branch in (COMPENSATE, FINALLY) for branch in step_key.split(".")[1::2])


def static_path(step_key: str) -> str:
    """The manifest path without branches: ``years.0.months.3.charge`` → ``years.months.charge``."""
    return ".".join(step_key.split(".")[::2])

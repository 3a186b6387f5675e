"""Step keys at run time.

A step of the flow itself has its manifest key. A step inside a loop has the key of the loop, the
iteration's index and its own key: ``months.3.charge``; loops nest: ``years.0.months.3.charge``.
The part before the last dot, ``months.3``, is the step's *scope*; the flow itself is the scope ``""``.
Manifest keys contain no dots, so a key splits in exactly one way.
"""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["child_key", "enclosing_scopes", "iteration_scope", "own_key", "scope_of", "split_scope", "static_path"]


def child_key(scope: str, key: str) -> str:
    """Run-time key of the step ``key`` inside ``scope``."""
    return f"{scope}.{key}" if scope else key


def iteration_scope(loop_key: str, index: int) -> str:
    """Scope of iteration ``index`` of the loop with the run-time key ``loop_key``."""
    return f"{loop_key}.{index}"


def scope_of(step_key: str) -> str:
    """Scope that the step lives in; ``""`` for a step of the flow itself."""
    return step_key.rpartition(".")[0]


def own_key(step_key: str) -> str:
    """The step's key in its manifest scope."""
    return step_key.rpartition(".")[2]


def split_scope(scope: str) -> tuple[str, int]:
    """Loop key and iteration index of a loop scope; the reverse of :func:`iteration_scope`."""
    loop_key, _, index = scope.rpartition(".")
    return loop_key, int(index)


def enclosing_scopes(scope: str) -> Iterator[str]:
    """``scope`` itself, then every scope around it, ending with ``""``."""
    while scope:
        yield scope
        scope = scope_of(split_scope(scope)[0])
    yield ""


def static_path(step_key: str) -> str:
    """The manifest path without iteration indexes: ``years.0.months.3.charge`` → ``years.months.charge``."""
    return ".".join(step_key.split(".")[::2])

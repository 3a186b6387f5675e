"""Questions about the graph of one scope, answered for broken graphs as well.

A graph is a mapping *step key → keys it runs after*. Keys that are not steps of the scope are passed over.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import pairwise

__all__ = ["Ancestry", "Graph", "cycles", "execution_order"]

Graph = Mapping[str, Collection[str]]


class Ancestry:
    """Which steps must be final before which. A step on a cycle is before itself."""

    __slots__ = ("_bits", "_keys", "_masks")

    def __init__(self, graph: Graph) -> None:
        order, leftover = execution_order(graph)
        self._keys = [*order, *leftover]
        # A set per step costs quadratic time and memory in a long chain; a bit per ancestor is nothing.
        self._bits = {key: 1 << index for index, key in enumerate(self._keys)}
        self._masks = dict.fromkeys(self._keys, 0)
        while _spread(graph, self._keys, self._bits, self._masks) and leftover:
            pass

    def is_before(self, before: str, step: str) -> bool:
        """Whether ``before`` is final when ``step`` starts, whatever happens. Both are steps of the graph."""
        return bool(self._masks[step] & self._bits[before])

    def of(self, step: str) -> frozenset[str]:
        """All steps that are final when ``step`` starts."""
        return frozenset(_members(self._masks[step], self._keys))


def execution_order(graph: Graph) -> tuple[list[str], list[str]]:
    """The steps in an order in which they could run, and those that never could: on a cycle or behind one."""
    unmet = {key: sum(1 for before in befores if before in graph) for key, befores in graph.items()}
    dependents = _reversed(graph)
    ready = deque(key for key, count in unmet.items() if count == 0)
    order: list[str] = []
    while ready:
        key = ready.popleft()
        order.append(key)
        for dependent in dependents[key]:
            unmet[dependent] -= 1
            if unmet[dependent] == 0:
                ready.append(dependent)
    done = set(order)
    return order, [key for key in graph if key not in done]


def cycles(graph: Graph) -> Iterator[list[str]]:
    """Cycles as paths in the order of execution, ``["a", "b", "a"]``; every edge that is on a cycle is on one."""
    _, leftover = execution_order(graph)
    dependents = _reversed(graph)
    covered: set[tuple[str, str]] = set()
    for key in leftover:
        for dependent in dependents[key]:
            if (key, dependent) not in covered and (way := _shortest_way(dependent, key, dependents)):
                path = [key, *way]
                covered.update(pairwise(path))
                yield path


def _spread(graph: Graph, keys: Sequence[str], bits: Mapping[str, int], masks: dict[str, int]) -> bool:
    changed = False
    for key in keys:
        mask = masks[key]
        for before in graph[key]:
            if before in bits:
                mask |= masks[before] | bits[before]
        if mask != masks[key]:
            masks[key] = mask
            changed = True
    return changed


def _members(mask: int, keys: Sequence[str]) -> Iterator[str]:
    while mask:
        lowest = mask & -mask
        yield keys[lowest.bit_length() - 1]
        mask ^= lowest


def _reversed(graph: Graph) -> dict[str, list[str]]:
    dependents: dict[str, list[str]] = {key: [] for key in graph}
    for key, befores in graph.items():
        for before in befores:
            if before in dependents:
                dependents[before].append(key)
    return dependents


def _shortest_way(start: str, goal: str, dependents: Mapping[str, Sequence[str]]) -> list[str] | None:
    came_from: dict[str, str | None] = {start: None}
    waiting = deque([start])
    while waiting:
        key = waiting.popleft()
        if key == goal:
            return _walked(key, came_from)
        for dependent in dependents[key]:
            if dependent not in came_from:
                came_from[dependent] = key
                waiting.append(dependent)
    return None


def _walked(end: str, came_from: Mapping[str, str | None]) -> list[str]:
    path: list[str] = []
    key: str | None = end
    while key is not None:
        path.append(key)
        key = came_from[key]
    return path[::-1]

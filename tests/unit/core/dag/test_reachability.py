from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floworch.core.dag.reachability import Ancestry, cycles, execution_order

Edges = dict[str, list[str]]

names = st.sampled_from("abcdefg")
graphs = st.dictionaries(names, st.lists(names, max_size=3, unique=True), max_size=7)


def naive_ancestors(graph: Edges, key: str) -> set[str]:
    found: set[str] = set()
    waiting = [before for before in graph[key] if before in graph]
    while waiting:
        before = waiting.pop()
        if before not in found:
            found.add(before)
            waiting += [further for further in graph[before] if further in graph]
    return found


@given(graphs)
def test_ancestors_are_all_steps_that_an_edge_leads_back_to(graph: Edges) -> None:
    ancestry = Ancestry(graph)
    for key in graph:
        assert ancestry.of(key) == naive_ancestors(graph, key)
        assert {other for other in graph if ancestry.is_before(other, key)} == naive_ancestors(graph, key)


@given(graphs)
def test_the_order_runs_every_step_after_its_ancestors_and_leaves_out_what_a_cycle_blocks(graph: Edges) -> None:
    order, leftover = execution_order(graph)
    assert sorted([*order, *leftover]) == sorted(graph)
    for position, key in enumerate(order):
        assert naive_ancestors(graph, key) <= set(order[:position])
    blocked = {key for key in graph if any(one in naive_ancestors(graph, one) for one in naive_ancestors(graph, key))}
    assert set(leftover) == blocked | {key for key in graph if key in naive_ancestors(graph, key)}


@given(graphs)
def test_cycles_are_real_simple_different_and_cover_every_edge_on_a_cycle(graph: Edges) -> None:
    found = list(cycles(graph))
    edges = {(before, key) for key, befores in graph.items() for before in befores if before in graph}
    for path in found:
        assert path[0] == path[-1]
        assert len(set(path)) == len(path) - 1
        assert set(pairwise(path)) <= edges
    assert len({frozenset(pairwise(path)) for path in found}) == len(found)
    on_a_cycle = {(before, key) for before, key in edges if before == key or key in naive_ancestors(graph, before)}
    assert {edge for path in found for edge in pairwise(path)} == on_a_cycle


@pytest.mark.parametrize(
    ("graph", "expected"),
    [
        ({"a": ["a"]}, [["a", "a"]]),
        ({"a": ["b"], "b": ["a"]}, [["a", "b", "a"]]),
        ({"a": ["c"], "b": ["a"], "c": ["b"]}, [["a", "b", "c", "a"]]),
        ({"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]}, []),
        ({"a": [], "b": ["a", "d"], "c": ["a"], "d": ["b", "c"]}, [["b", "d", "b"]]),
        ({"a": ["b", "c"], "b": ["a"], "c": ["a"]}, [["a", "b", "a"], ["a", "c", "a"]]),
        ({"a": ["gone"]}, []),
    ],
)
def test_cycles_are_paths_in_the_order_of_execution(graph: Edges, expected: list[list[str]]) -> None:
    assert list(cycles(graph)) == expected


def test_a_long_chain_written_backwards_is_no_trouble() -> None:
    size = 3_000
    graph = {f"s{n}": [f"s{n - 1}"] if n else [] for n in reversed(range(size))}
    assert Ancestry(graph).is_before("s0", f"s{size - 1}")
    assert not Ancestry(graph).is_before(f"s{size - 1}", "s0")

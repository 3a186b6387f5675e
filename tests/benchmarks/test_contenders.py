from __future__ import annotations

from importlib.util import find_spec

import pytest

from benchmarks.contender import Contender, Kind, Store
from benchmarks.contenders import CONTENDERS, floor_of, rival_of
from benchmarks.workload import WORKLOADS


@pytest.mark.parametrize("contender", CONTENDERS.values(), ids=lambda each: each.name)
def test_a_contender_names_modules_and_workloads_that_exist(contender: Contender) -> None:
    assert find_spec(contender.runner.partition(":")[0]) is not None
    assert contender.workloads <= set(WORKLOADS)


@pytest.mark.parametrize("contender", CONTENDERS.values(), ids=lambda each: each.name)
def test_a_contender_is_compared_within_its_kind_of_store(contender: Contender) -> None:
    floor, rival = floor_of(contender.store), rival_of(contender.store)

    assert floor is None or (CONTENDERS[floor].kind, CONTENDERS[floor].store) == (Kind.FLOOR, contender.store)
    assert rival is None or CONTENDERS[rival].store is contender.store


@pytest.mark.parametrize("store", sorted({each.store for each in CONTENDERS.values() if each.kind is Kind.OURS}))
def test_wherever_floworch_keeps_its_runs_there_is_a_floor(store: Store) -> None:
    assert floor_of(store) is not None


@pytest.mark.parametrize("name", WORKLOADS)
def test_every_workload_is_measured_for_floworch(name: str) -> None:
    assert find_spec(WORKLOADS[name].measure) is not None
    assert any(name in contender.workloads for contender in CONTENDERS.values() if contender.kind is Kind.OURS)


def test_a_contender_tells_what_has_to_be_installed() -> None:
    needs = {"no_such_module": "such[extra]", "json": "json"}
    absent = Contender("x", Kind.PEER, Store.MEMORY, "a:B", frozenset(), needs, {}, "")

    assert absent.missing() == ["such[extra]"]
    assert CONTENDERS["asyncio"].missing() == []

"""Flows and manifests."""

from __future__ import annotations

from dataclasses import replace

from floworch.core.model.status import RunStatus
from floworch.core.ports.storage import Storage
from tests.contracts.storage.builders import START, StillClock, advance, commit_advance, create, creation, flow


async def test_a_new_store_has_no_flows(storage: Storage) -> None:
    assert await storage.list_flows() == []


async def test_flows_are_listed_by_name(storage: Storage) -> None:
    await storage.save_flows([flow(1, name="b"), flow(2, name="a"), flow(3, name="C")])
    assert [found.name for found in await storage.list_flows()] == ["C", "a", "b"]


async def test_a_saved_flow_comes_back_as_it_was(storage: Storage) -> None:
    saved = flow(1, name="Größe", version="2.1", manifest='{"n":123456789012345678901234567890}')
    await storage.save_flows([saved])
    [found] = await storage.list_flows()
    assert (found.id, found.name, found.version, found.manifest) == (
        saved.id,
        saved.name,
        saved.version,
        saved.manifest,
    )
    assert (found.manifest_hash, found.is_enabled) == (saved.manifest_hash, True)


async def test_the_store_stamps_creation_and_update(storage: Storage, clock: StillClock) -> None:
    await storage.save_flows([flow(1)])
    later = clock.forward(1.5)
    await storage.save_flows([flow(1, version="2")])
    [found] = await storage.list_flows()
    assert (found.created_at, found.updated_at, found.version) == (START, later, "2")


async def test_saving_a_disabled_flow_again_does_not_enable_it(storage: Storage) -> None:
    await storage.save_flows([flow(1)])
    assert await storage.set_flow_enabled(flow(1).id, False)
    await storage.save_flows([flow(1, version="2")])
    assert [found.is_enabled for found in await storage.list_flows()] == [False]


async def test_a_flow_can_be_enabled_again(storage: Storage) -> None:
    await storage.save_flows([flow(1), flow(2)])
    await storage.set_flow_enabled(flow(1).id, False)
    assert await storage.set_flow_enabled(flow(1).id, True)
    assert [found.is_enabled for found in await storage.list_flows()] == [True, True]


async def test_manifests_are_kept_without_a_flow_and_never_changed(storage: Storage) -> None:
    await storage.save_manifests({"a" * 64: '{"n":1}', "b" * 64: '{"n":2}'})
    await storage.save_manifests({"b" * 64: '{"n":2}'})
    assert await storage.load_manifests(["a" * 64, "b" * 64]) == {"a" * 64: '{"n":1}', "b" * 64: '{"n":2}'}
    assert await storage.list_flows() == []


async def test_enabling_an_unknown_flow_says_that_it_is_unknown(storage: Storage) -> None:
    assert not await storage.set_flow_enabled(flow(9).id, True)


async def test_a_renamed_flow_keeps_its_identity(storage: Storage) -> None:
    await storage.save_flows([flow(1, name="old")])
    await storage.save_flows([flow(1, name="new")])
    assert [(found.id, found.name) for found in await storage.list_flows()] == [(flow(1).id, "new")]


async def test_every_manifest_that_was_ever_saved_is_kept(storage: Storage) -> None:
    first, second = flow(1, version="1"), flow(1, version="2")
    await storage.save_flows([first])
    await storage.save_flows([second])
    found = await storage.load_manifests([first.manifest_hash, second.manifest_hash])
    assert found == {first.manifest_hash: first.manifest, second.manifest_hash: second.manifest}


async def test_unknown_manifests_are_left_out(storage: Storage) -> None:
    await storage.save_flows([flow(1)])
    assert await storage.load_manifests(["nonesuch", flow(1).manifest_hash]) == {
        flow(1).manifest_hash: flow(1).manifest
    }


async def test_two_flows_may_share_a_manifest(storage: Storage) -> None:
    await storage.save_flows([flow(1, manifest="{}"), flow(2, manifest="{}")])
    assert [found.manifest for found in await storage.list_flows()] == ["{}", "{}"]


async def test_saving_no_flows_is_allowed(storage: Storage) -> None:
    await storage.save_flows([])
    assert await storage.list_flows() == []


async def test_every_version_of_a_flow_is_listed_the_last_one_saved_last(storage: Storage, clock: StillClock) -> None:
    first, second = flow(1, version="1"), flow(1, version="2")
    await storage.save_flows([second, flow(2)])
    await storage.save_flows([first])
    later = clock.forward(60)
    await storage.save_flows([second])
    found = await storage.list_versions(frozenset({first.id}))
    assert [(each.manifest_hash, each.version, each.first_seen, each.last_seen) for each in found] == [
        (first.manifest_hash, "1", START, START),
        (second.manifest_hash, "2", START, later),
    ]


async def test_a_manifest_that_comes_with_another_label_is_the_same_version(storage: Storage) -> None:
    await storage.save_flows([flow(1, version="1", manifest="{}")])
    await storage.save_flows([flow(1, version="1.1", manifest="{}")])
    [found] = await storage.list_versions(frozenset({flow(1).id}))
    assert found.version == "1.1"


async def test_versions_count_their_runs_that_have_not_ended(storage: Storage) -> None:
    saved = replace(flow(0), manifest_hash="hash-1")
    await storage.save_flows([saved, flow(1)])
    await create(storage, creation(1), creation(2), creation(3), creation(4, flow_id=flow(1).id))
    await commit_advance(storage, advance(3, 1, status=RunStatus.FAILED, ended_at=START))
    [found] = await storage.list_versions(frozenset({saved.id}))
    assert found.live_runs == 2


async def test_flows_that_were_never_saved_have_no_versions(storage: Storage) -> None:
    assert await storage.list_versions(frozenset({flow(1).id})) == []
    assert await storage.list_versions(frozenset()) == []

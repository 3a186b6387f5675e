from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from floworch.core.model.flow import FlowDefinition, as_flow, manifest_of
from floworch.core.model.manifest import FlowManifest, Step
from floworch.errors import FlowValidationError

MANIFEST = FlowManifest(steps={"a": Step(type="X")})


class Orders(FlowDefinition):
    id = UUID(int=1)
    manifest = MANIFEST


class Named(Orders):
    name = "orders-2"
    version = "2.0"


class Child(Named):
    pass


def test_a_flow_is_called_like_its_class_unless_it_says_otherwise() -> None:
    assert (Orders.name, Named.name, Child.name) == ("Orders", "orders-2", "Child")


def test_a_class_and_an_instance_are_both_flows() -> None:
    flow = as_flow(Named)
    assert (flow.id, flow.name, flow.version) == (UUID(int=1), "orders-2", "2.0")
    assert as_flow(flow) is flow


def test_a_flow_can_be_made_without_a_class() -> None:
    flow = FlowDefinition(id=UUID(int=2), name="made", manifest=MANIFEST)
    assert (flow.id, flow.name, flow.version, flow.manifest) == (UUID(int=2), "made", "1.0", MANIFEST)


def test_a_manifest_given_as_parsed_json_is_read_on_demand() -> None:
    flow: Any = Orders()
    flow.manifest = {"steps": {"a": {"type": "X"}}}
    assert manifest_of(flow) == manifest_of(Orders()) == MANIFEST
    flow.manifest = {"stps": {}}
    with pytest.raises(FlowValidationError, match=r"Orders: stps: .* Did you mean 'steps'\?"):
        manifest_of(flow)

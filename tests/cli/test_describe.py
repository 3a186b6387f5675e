"""``floworch mermaid`` and ``floworch schema``."""

from __future__ import annotations

import jsonschema
import pytest

from floworch.core.dag.mermaid import to_mermaid
from tests.cli.commands import APP_FILE, SHARED, call
from tests.cli.orders_app import Orders


@pytest.mark.parametrize("target", [SHARED, f"{APP_FILE}:Orders", f"{APP_FILE}:FLOWS"])
@pytest.mark.parametrize("flow", ["Orders", "00000000-0000-0000-0000-000000000001"])
def test_a_flow_is_drawn(target: str, flow: str) -> None:
    answer = call("mermaid", target, flow)

    assert (answer.code, answer.out) == (0, to_mermaid(Orders))


def test_options_change_the_drawing() -> None:
    answer = call("mermaid", SHARED, "Orders", "--direction", "lr", "--no-triggers", "--no-types", "--json")

    expected = to_mermaid(Orders, direction="LR", include_triggers=False, show_step_types=False)
    assert answer.document == {"flow": "Orders", "mermaid": expected}


def test_a_flow_that_does_not_exist_exits_with_3() -> None:
    answer = call("mermaid", SHARED, "Oders")

    assert answer.code == 3
    assert "Did you mean 'Orders'?" in answer.err


def test_the_schema_accepts_the_manifest_of_a_flow() -> None:
    schema = call("schema").document

    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(Orders.manifest.to_dict(), schema)

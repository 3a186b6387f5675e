from __future__ import annotations

import re
from typing import Any, cast
from uuid import UUID

import pytest

from floworch.core.dag.mermaid import Direction, to_mermaid
from floworch.core.model.flow import FlowDefinition
from floworch.core.model.manifest import (
    CronTrigger,
    FlowManifest,
    ForEach,
    ManualTrigger,
    RunAfter,
    Step,
    WebhookTrigger,
)

MANIFEST = FlowManifest(
    triggers={
        "manual": ManualTrigger(),
        "nightly": CronTrigger(cron_expression="0 2 * * *", time_zone="Europe/Berlin"),
        "hook": WebhookTrigger(slug="orders"),
    },
    steps={
        "load": Step(type="Load"),
        "each": ForEach(
            for_each="@steps('load').output",
            run_after=["load"],
            steps={"a": Step(type="A"), "b": Step(type="B", run_after={"a": []})},
        ),
        "poll": Step(type="Poll", run_after={"load": ["Succeeded", "Failed"]}, inputs={"pollEnabled": "true"}),
        "end": Step(
            type="Report",
            run_after={"each": RunAfter(when="@steps('each').output != \"\""), "poll": RunAfter(statuses=["Failed"])},
            when="1 < 2",
        ),
    },
)

DIAGRAM = """\
flowchart TD
    classDef trigger fill:#e1f5ff,stroke:#0288d1
    classDef entry fill:#c8e6c9,stroke:#388e3c
    classDef polling fill:#fff9c4,stroke:#f57f17
    classDef loop fill:#f3e5f5,stroke:#7b1fa2
    classDef scope fill:#eceff1,stroke:#546e7a
    classDef waiting fill:#e8eaf6,stroke:#3949ab
    classDef child fill:#e0f2f1,stroke:#00796b
    classDef undo fill:#ffebee,stroke:#c62828,stroke-dasharray:4
    T_manual(["⚡ manual<br/>Manual"]):::trigger
    T_manual --> load
    T_nightly(["⚡ nightly<br/>Cron 0 2 * * * Europe/Berlin"]):::trigger
    T_nightly --> load
    T_hook(["⚡ hook<br/>Webhook /orders"]):::trigger
    T_hook --> load
    load["load<br/><i>Load</i>"]:::entry
    each["each<br/><i>ForEach</i>"]:::loop
    subgraph subgraph_each["🔁 each (ForEach)"]
        each_a["a<br/><i>A</i>"]:::entry
        each_b["b<br/><i>B</i>"]
        each_a --> each_b
    end
    each -.-> subgraph_each
    poll["⏳ poll<br/><i>Poll</i>"]:::polling
    _end["end<br/><i>Report</i><br/>when: 1 #lt; 2"]
    load -->|"Succeeded"| each
    load -->|"Succeeded|Failed"| poll
    each -->|"when: @steps('each').output != #quot;#quot;"| _end
    poll -->|"Failed"| _end
"""


def test_a_diagram_shows_triggers_steps_loops_and_every_dependency() -> None:
    assert to_mermaid(MANIFEST) == DIAGRAM


def test_a_flow_can_be_given_as_a_class_an_instance_or_a_manifest() -> None:
    class Flow(FlowDefinition):
        id = UUID(int=1)
        manifest = MANIFEST

    assert to_mermaid(Flow) == to_mermaid(Flow()) == DIAGRAM


def test_options_leave_things_out() -> None:
    text = to_mermaid(MANIFEST, direction="LR", include_triggers=False, show_step_types=False, apply_styling=False)
    assert text.startswith("flowchart LR\n")
    assert not any(part in text for part in ("classDef", ":::", "<i>", "⚡", "(ForEach)"))
    assert "each_a --> each_b" in text


def test_an_unknown_direction_is_refused() -> None:
    with pytest.raises(ValueError, match="Unknown direction 'UP'; use one of TD, TB"):
        to_mermaid(MANIFEST, direction=cast("Direction", "UP"))


def nodes(text: str) -> list[str]:
    return re.findall(r'^\s*(?:subgraph )?(\w+)(?:\(\[|\[)"', text, flags=re.MULTILINE)


def test_different_steps_have_different_ids() -> None:
    manifest = FlowManifest(
        triggers={"a": ManualTrigger()},
        steps={
            "x-y": Step(type="X"),
            "x_y": Step(type="X", run_after=["x-y"]),
            "T_a": Step(type="X"),
            "x": ForEach(
                for_each=[], steps={"y": Step(type="X"), "z": ForEach(for_each=[], steps={"y": Step(type="X")})}
            ),
            "x_z": Step(type="X"),
            "subgraph_x": Step(type="X"),
        },
    )
    text = to_mermaid(manifest)
    assert len(nodes(text)) == len(set(nodes(text))) == 12
    assert 'x_y -->|"Succeeded"| x_y_2' in text


@pytest.mark.parametrize("key", ["end", "1st", "é-1", "subgraph", "class", ""])
def test_ids_are_words_that_mermaid_takes_for_ids(key: str) -> None:
    manifest = FlowManifest(steps={key: Step(type="X")})
    (node,) = nodes(to_mermaid(manifest))
    assert re.fullmatch(r"[^\W\d]\w*", node)
    assert node not in ("end", "subgraph", "class")


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ('"', "#quot;"),
        ("#quot;", "#35;quot;"),
        ("<b>", "#lt;b#gt;"),
        ("a&b", "a#amp;b"),
        ("`x`", "#96;x#96;"),
        ("a\nb", "a b"),
    ],
)
def test_labels_cannot_break_out_of_their_quotes(text: str, escaped: str) -> None:
    manifest = FlowManifest(
        steps={"a": Step(type=text), "b": Step(type="B", run_after={"a": RunAfter(when=f"'{text}' == 1")})}
    )
    diagram = to_mermaid(manifest)
    assert f'a["a<br/><i>{escaped}</i>"]' in diagram
    assert f"|\"when: '{escaped}' == 1\"|" in diagram


@pytest.mark.parametrize(
    ("enabled", "is_polling"), [(True, True), ("TRUE", True), (False, False), ("no", False), (None, False)]
)
def test_a_step_that_polls_is_marked(enabled: Any, is_polling: bool) -> None:
    manifest = FlowManifest(steps={"a": Step(type="X", inputs={"pollEnabled": enabled})})
    assert (":::polling" in to_mermaid(manifest)) == is_polling


def test_a_dependency_on_nothing_is_not_drawn() -> None:
    assert "-->" not in to_mermaid(FlowManifest(steps={"a": Step(type="X", run_after=["gone"])}))


@pytest.mark.parametrize(
    ("inputs", "names"),
    [
        ({"signalName": "approve"}, "approve"),
        ({"signal_names": ["approve", "reject"]}, "approve or reject"),
        ({"signalNames": ["a", "b"], "mode": "all"}, "a and b"),
        ({}, "default"),
    ],
)
def test_a_wait_for_signals_has_a_shape_of_its_own_and_tells_their_names(inputs: dict[str, Any], names: str) -> None:
    text = to_mermaid(FlowManifest(steps={"a": Step(type="WaitForSignal", inputs=inputs)}))
    assert f'a{{{{"✉ a<br/><i>WaitForSignal</i><br/>{names}"}}}}:::waiting' in text


def test_a_step_that_runs_another_flow_tells_which() -> None:
    text = to_mermaid(FlowManifest(steps={"a": Step(type="RunFlow", inputs={"flow": "Invoice"})}))
    assert 'a[["↪ a<br/><i>RunFlow</i><br/>Invoice"]]:::child' in text

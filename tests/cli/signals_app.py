"""An application whose flow waits for a signal; its storage is a file that the environment names."""

from __future__ import annotations

import os
from uuid import UUID

from floworch import FlowDefinition, FlowManifest, FlowOrchestrator, Step
from floworch.builder import FlowOrchestratorBuilder


class Approval(FlowDefinition):
    id = UUID(int=1)
    manifest = FlowManifest(
        steps={
            "decide": Step(
                type="WaitForSignal",
                inputs={"signalName": "decision", "timeoutSeconds": 86_400, "schema": {"type": "object"}},
            ),
            "settle": Step(type="WaitForSignal", run_after=["decide"], inputs={"signalNames": ["paid", "waived"]}),
        }
    )


def shared() -> FlowOrchestratorBuilder:
    builder = FlowOrchestrator.builder().use_sqlite(os.environ["ORDERS_DB"]).use_asyncio_runtime()
    return builder.add_flow(Approval).configure(poll_interval_seconds=0.05)

"""Loads the files of a tenant. Two files of a tenant at once, and no more than five in all."""

from __future__ import annotations

import asyncio
from uuid import UUID

from floworch import FlowDefinition, FlowManifest, ForEach, Limit, Step, step_handler

__all__ = ["TenantImport", "load_file"]


class TenantImport(FlowDefinition):
    id = UUID("5f6a1c2e-9d0b-4b7e-9a55-2f0f6f1f7c21")
    manifest = FlowManifest(
        concurrency_key="@triggerBody()?.tenant",
        key_limit=Limit(concurrency=2),
        limit=Limit(concurrency=5),
        steps={
            "files": ForEach(
                for_each="@triggerBody().files",
                concurrency_limit=10,
                steps={"load": Step(type="LoadFile", inputs={"file": "@item()"})},
            ),
        },
    )


@step_handler("LoadFile")
async def load_file(file: str) -> str:
    """Stands for something that takes a while."""
    await asyncio.sleep(0.02)
    return file

"""The application whose limits the chaos tests put to the proof.

Run as ``python -m tests.chaos.limits_app TARGET LEDGER``, both of them URLs of PostgreSQL. It prints ``started`` and
works until it is stopped or killed.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import threading
from random import Random
from uuid import UUID

import psycopg
import structlog

from floworch import FlowDefinition, FlowManifest, FlowOrchestrator, ForEach, Limit, Step, StepContext, step_handler
from floworch.errors import StorageUnavailable
from tests.chaos.processes import sleep
from tests.chaos.speech import say

__all__ = ["LEASE_SECONDS", "PER_TENANT", "STEPS", "Spans", "build"]

LEASE_SECONDS = 4.0
PER_TENANT = 2
STEPS = 6
"""Limited steps of a run."""


class Spans:
    """A table of PostgreSQL, reached over connections of its own, one per thread: when attempts have begun, and when
    they have ended if nobody has killed them."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._of_thread = threading.local()

    def create(self) -> None:
        with psycopg.connect(self._conninfo, autocommit=True) as connection:
            connection.execute(_TABLE)

    def begin(self, ctx: StepContext, tenant: str) -> None:
        self._execute("INSERT INTO span VALUES (%s, %s, %s, %s, clock_timestamp(), NULL)", *_key(ctx), tenant)

    def end(self, ctx: StepContext) -> None:
        where = "run_id = %s AND step_key = %s AND attempt = %s"
        self._execute(f"UPDATE span SET ended_at = clock_timestamp() WHERE {where}", *_key(ctx))

    def _execute(self, text: str, *values: object) -> None:
        connection: psycopg.Connection | None = getattr(self._of_thread, "connection", None)
        if connection is None:
            connection = self._of_thread.connection = psycopg.connect(self._conninfo, autocommit=True)
        connection.execute(text.encode(), values)


@step_handler("Span")
def span(ctx: StepContext, tenant: str) -> None:
    """Leaves its marks in the table, and takes some time in between."""
    spans = ctx.service(Spans)
    spans.begin(ctx, tenant)
    sleep(Random(ctx.idempotency_key).uniform(0.02, 0.12))
    spans.end(ctx)


def build(target: str, spans: Spans | None) -> FlowOrchestrator:
    """Without ``spans`` for asking and triggering only."""
    inputs = {"tenant": "@triggerBody().tenant"}
    each = {"work": Step(type="Span", inputs=inputs)}
    manifest = FlowManifest(
        steps={
            "first": Step(type="Span", inputs=inputs),
            "each": ForEach(for_each="@range(0, 4)", concurrency_limit=4, steps=each, run_after=["first"]),
            "last": Step(type="Span", inputs=inputs, run_after=["each"]),
        },
        concurrency_key="@triggerBody()?.tenant",
        key_limit=Limit(concurrency=PER_TENANT),
    )
    builder = FlowOrchestrator.builder().use_postgresql(target)
    if spans is not None:
        builder.add_service(Spans, lambda: spans)
    return (
        builder.use_asyncio_runtime(concurrency=24)
        .add_flow(FlowDefinition(id=UUID(int=0x71), name="Tenants", manifest=manifest))
        .add_handlers(span)
        .configure(
            lease_seconds=LEASE_SECONDS,
            heartbeat_seconds=LEASE_SECONDS / 5,
            poll_interval_seconds=0.25,
            max_lost_attempts=1000,
        )
        .build()
    )


async def main(target: str, ledger: str) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    while True:
        orchestrator = build(target, Spans(ledger))
        try:
            await orchestrator.start()
            break
        except StorageUnavailable:
            await asyncio.sleep(0.2)
    say("started")
    await stop.wait()
    await orchestrator.stop()


def _key(ctx: StepContext) -> tuple[object, ...]:
    return ctx.run_id, ctx.step_key, ctx.attempt


_TABLE = """
CREATE TABLE span (
    run_id uuid, step_key text, attempt int, tenant text NOT NULL, began_at timestamptz NOT NULL, ended_at timestamptz,
    PRIMARY KEY (run_id, step_key, attempt)
)"""


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    sys.exit(asyncio.run(main(*sys.argv[1:3])))

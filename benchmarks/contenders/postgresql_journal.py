"""One statement that writes any number of transitions, with one array per column."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.contenders.journal import CREATE_TABLES as TABLES
from benchmarks.contenders.journal import Transition

__all__ = ["CREATE_TABLES", "columns", "statement"]

CREATE_TABLES = ";".join(TABLES).format(serial="bigint GENERATED ALWAYS AS IDENTITY")


def statement(places: Sequence[str]) -> str:
    """The statement, with these seven words for its parameters, which stand in it in this order."""
    begun, ended, run, step, output, every, facts = places
    return f"""
        WITH started AS (INSERT INTO run SELECT id, 'Running' FROM unnest({begun}::text[]) AS v (id)),
        ended AS (UPDATE run SET status = 'Succeeded' WHERE id = ANY({ended}::text[])),
        stepped AS (
            INSERT INTO step SELECT v.run, v.step, 1, v.output
            FROM unnest({run}::text[], {step}::text[], {output}::text[]) AS v (run, step, output)
        )
        INSERT INTO event (run_id, facts) SELECT v.run, v.facts
        FROM unnest({every}::text[], {facts}::text[]) AS v (run, facts)
    """


def columns(transitions: Sequence[Transition]) -> tuple[list[str | None], ...]:
    """The arrays of :func:`statement`."""
    steps = [each for each in transitions if each.step is not None]
    return (
        [each.run for each in transitions if each.step is None],
        [each.run for each in transitions if each.ends_run],
        [each.run for each in steps],
        [each.step for each in steps],
        [each.output for each in steps],
        [each.run for each in transitions],
        [each.facts for each in transitions],
    )

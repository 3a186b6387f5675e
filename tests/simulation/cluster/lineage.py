"""Runs that were made of older ones: which one they come from, and what they have taken over from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from floworch.core.machine.state import StepState
from floworch.core.model.payload import Payload
from floworch.core.model.records import StepError
from floworch.core.ports.storage import Creation
from tests.simulation.forks import blocks_around
from tests.simulation.ledger import Ledger

if TYPE_CHECKING:
    from tests.simulation.cluster.account import RunAccount

__all__ = ["End", "Lineage", "check_copy"]


class End(NamedTuple):
    """How a step has ended."""

    row: StepState
    output: Payload | None
    error: object

    @staticmethod
    def of(ledger: Ledger, key: str) -> End:
        return End(ledger.rows[key], ledger.outputs.get(key), _told(ledger.errors.get(key)))


@dataclass(slots=True)
class Lineage:
    """What a run has of its source; nothing for one that was not forked."""

    from_step: str = ""
    origins: dict[str, UUID] = field(default_factory=dict)
    """Step key → the run in which it has really run, for every step that was taken over."""
    ends: dict[str, End] = field(default_factory=dict)
    """Of those of them that stay as they are."""

    @property
    def around(self) -> set[str]:
        """Blocks that were taken over and go on."""
        return set(blocks_around(self.from_step))

    @staticmethod
    def of(creation: Creation, ledger: Ledger) -> Lineage:
        """Of a run whose creation is in its ledger."""
        lineage = Lineage(creation.facts[0].get("from_step", ""))
        lineage.origins = {fact["step"]: UUID(fact["run"]) for fact in creation.facts if fact["type"] == "step.reused"}
        lineage.ends = {key: End.of(ledger, key) for key in lineage.origins if key not in lineage.around}
        return lineage

    def origin(self, key: str, end: End, run_id: UUID) -> UUID:
        """Where the step has run that has ended like this in the run, whose lineage this is."""
        return self.origins[key] if self.ends.get(key) == end else run_id


def check_copy(run: RunAccount, creation: Creation, runs: Mapping[UUID, RunAccount]) -> None:
    """The run tells of its source, and what it has taken over had ended there like that. The source may have gone on
    since it was read."""
    source_id = run.facts.source_run_id
    assert source_id is not None
    source, started = runs[source_id], creation.facts[0]
    assert str(source_id) == started.get("fork_of", started.get("rerun_of"))
    assert (run.facts.flow_id, run.facts.trigger_key) == (source.facts.flow_id, source.facts.trigger_key)
    assert run.facts.concurrency_key == source.facts.concurrency_key  # in these histories no key reads the body
    assert run.facts.parent is None
    lineage = run.lineage
    inside = [key for key in lineage.origins if f"{key}.".startswith(f"{lineage.from_step}.")]
    assert not inside, f"{inside} were taken over by a fork from {lineage.from_step!r}"
    for key, end in lineage.ends.items():
        assert end in source.past[key], f"{key} was taken over as {end}, and was {source.past[key]}"
        assert lineage.origins[key] == source.lineage.origin(key, end, source_id)
    for key in lineage.origins:
        assert run.ledger.items.get(key) == source.ledger.items.get(key)
    assert not list(_without_block(lineage))


def _without_block(lineage: Lineage) -> Iterator[str]:
    """Steps that were taken over without a block around them."""
    for key in lineage.origins:
        if not lineage.origins.keys() >= set(blocks_around(key)):
            yield key


def _told(error: StepError | None) -> object:
    """What a store keeps of the error."""
    return None if error is None else error.to_json()

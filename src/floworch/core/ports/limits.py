"""What a store keeps of limits, and how: a part of the storage port."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from floworch.core.model.limits import Limit, LimitRecord, Quota
from floworch.core.policy.limits import Tally, quotas_of

__all__ = ["LimitStorage", "LimitUse"]


@dataclass(frozen=True, slots=True)
class LimitUse:
    """How limits stand at one instant, by the clock that leases are counted on.

    Where nothing is limited, nothing is counted.
    """

    at: datetime
    records: Sequence[LimitRecord] = ()
    """All that the store has, by name."""
    running: Mapping[Quota, int] = field(default_factory=dict)
    arrivals: Mapping[Quota, datetime] = field(default_factory=dict)
    """Those that lie ahead; see :class:`~floworch.core.policy.limits.Tally`."""
    waiting: Mapping[Quota, int] = field(default_factory=dict)
    """Ready steps, if they were asked for."""

    @property
    def limits(self) -> dict[str, Limit]:
        """What is limited, by name."""
        return {each.name: limit for each in self.records if (limit := each.in_force) is not None}

    def refusals(self, step_type: str, flow_id: UUID, key: str | None) -> list[Quota]:
        """What a ready step waits for something to be left of; empty when nothing holds it back."""
        tally, limits = self.tally(), self.limits
        shared = (quota for quota in quotas_of(step_type, flow_id, key) if quota.limit in limits)
        return [quota for quota in shared if not tally.grants([quota])]

    def tally(self) -> Tally:
        """For granting what is left."""
        return Tally(self.limits, self.running, self.arrivals, self.at)


class LimitStorage(ABC):
    """Nobody counts: what is used of a limit is the number of steps with a lease that it is about. So whatever ends an
    attempt, the expiry of its lease too, gives the slot back in its own commit, and nothing can get lost.

    Only claims have to be ordered: one with :attr:`Claim.quotas` locks the rows of these limits, counts, and is
    answered with ``LIMITED`` where nothing is left. What the rows say then is what holds, whatever the engine believed.
    """

    @abstractmethod
    async def save_limits(self, code: Mapping[str, Limit], known: Collection[str]) -> None:
        """What the code says of these names: limits by name, and for the others among ``known`` that there is none.

        Overrides stay as they are. A limit that neither has any more is forgotten. Where another rate holds after it,
        that begins anew: its arrival times are forgotten.
        """

    @abstractmethod
    async def override_limit(self, name: str, override: Limit | None, caller: str | None = None) -> None:
        """Let this hold in place of what the code says, or, with None, what the code says. An empty limit lifts it.
        Another rate begins anew. ``caller`` as in :class:`Batch`."""

    @abstractmethod
    async def limit_use(self, *, waiting: bool = False) -> LimitUse:
        """How all limits stand now. Counts ready steps only when told to: there may be many. Reads only."""

    @abstractmethod
    async def forget_arrivals(self) -> int:
        """Forget the arrival times of rates that lie behind, which tell nothing any more; how many it was."""

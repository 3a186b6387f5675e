"""What goes wrong in one history, and how often. Everything follows from the history's one source of chance."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

__all__ = ["Weather"]


@dataclass(slots=True)
class Weather:
    """Probabilities are per occasion, times in seconds."""

    storm_seconds: float
    """How long the trouble lasts; after that everything works, and every run must end."""
    fault_interval_seconds: float
    """Mean time between two blows: a killed, paused or stopped process, or an outage of the store."""
    killed_at_commit: float
    answer_lost: float
    """A commit takes effect, and its caller is told that the store cannot be reached."""
    slow_call: float
    slowest_call_seconds: float
    slow_renewal: float
    dispatch_dropped: float
    dispatch_repeated: float
    store_wakes: bool
    """Whether the store can tell other processes that there is work."""

    def end(self) -> None:
        self.killed_at_commit = self.answer_lost = self.slow_renewal = 0.0
        self.dispatch_dropped = self.dispatch_repeated = 0.0

    @staticmethod
    def forecast(chance: Random) -> Weather:
        """Some histories are calm and busy, some lose a process every other second."""
        rough = chance.choice([0.0, 0.3, 1.0])
        return Weather(
            storm_seconds=chance.choice([5.0, 15.0, 30.0]),
            fault_interval_seconds=chance.choice([2.0, 5.0, 15.0]) if rough else 1e9,
            killed_at_commit=chance.choice([0.0, 0.02, 0.1]) * rough,
            answer_lost=chance.choice([0.0, 0.0, 0.05]) * rough,
            slow_call=chance.choice([0.0, 0.2, 0.9]),
            slowest_call_seconds=chance.choice([0.01, 0.3, 2.0]),
            slow_renewal=chance.choice([0.0, 0.3]) * rough,
            dispatch_dropped=chance.choice([0.0, 0.2, 1.0]) * rough,
            dispatch_repeated=chance.choice([0.0, 0.3]),
            store_wakes=chance.choice([False, True]),
        )

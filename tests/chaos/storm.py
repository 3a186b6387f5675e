"""Chaos on one PostgreSQL: processes are killed and paused, backends terminated, the server restarted, at random."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from random import Random

import psycopg

from tests.chaos.app import LEASE_SECONDS
from tests.chaos.processes import Worker
from tests.servers.postgresql import PostgresqlServer

__all__ = ["Storm"]

_LULL_SECONDS = (0.2, 1.5)
_PAUSE_SECONDS = (0.2 * LEASE_SECONDS, 2.0 * LEASE_SECONDS)


class Storm:
    """``start_worker`` starts the process of that number. A killed one is replaced at once."""

    def __init__(
        self, server: PostgresqlServer, chance: Random, workers: int, start_worker: Callable[[int], Worker]
    ) -> None:
        self._server = server
        self._chance = chance
        self._start_worker = start_worker
        self._workers = {number: start_worker(number) for number in range(workers)}
        self._resume_at: dict[int, float] = {}
        self.blows: Counter[str] = Counter()
        self.ever_paused: set[str] = set()

    def rage(self, restarts_at: list[int], progress: Callable[[], int], until: int, *, patience_seconds: float) -> None:
        """Go on until the progress is made; restart the server, in turns orderly and not, as each number is passed."""
        give_up_at = time.monotonic() + patience_seconds
        waiting = list(restarts_at)
        while (ended := self._ask(progress)) < until:
            assert time.monotonic() < give_up_at, f"{ended} of {until} after {patience_seconds:g} s and {self.blows}"
            if waiting and ended >= waiting[0]:
                waiting.pop(0)
                self._restart_server(in_order=len(waiting) % 2 == 0)
            self._strike()
            self._resume_those_due()
            time.sleep(self._chance.uniform(*_LULL_SECONDS))
            self._check_that_all_live()

    def calm(self) -> list[Worker]:
        """The workers that are left, all of them going on."""
        self._resume_at = dict.fromkeys(self._resume_at, 0.0)
        self._resume_those_due()
        return list(self._workers.values())

    def _strike(self) -> None:
        blow = self._chance.choice([self._kill, self._pause, self._pause, self._terminate_backends])
        blow()

    def _kill(self) -> None:
        number = self._chance.choice(list(self._workers))
        self._workers[number].kill()
        self._resume_at.pop(number, None)
        self._workers[number] = self._start_worker(number)
        self.blows["killed"] += 1

    def _pause(self) -> None:
        going = [number for number in self._workers if number not in self._resume_at]
        if len(going) < 2:
            return
        number = self._chance.choice(going)
        self._workers[number].pause()
        self.ever_paused.add(str(self._workers[number].pid))
        self._resume_at[number] = time.monotonic() + self._chance.uniform(*_PAUSE_SECONDS)
        self.blows["paused"] += 1

    def _resume_those_due(self) -> None:
        for number, at in list(self._resume_at.items()):
            if time.monotonic() >= at:
                self._workers[number].resume()
                del self._resume_at[number]

    def _terminate_backends(self) -> None:
        self._server.terminate_backends(share=self._chance.choice([0.2, 0.5, 1.0]), seed=self._chance.random())
        self.blows["terminated backends"] += 1

    def _restart_server(self, *, in_order: bool) -> None:
        if in_order:
            self._server.stop()
        else:
            self._server.crash()
        time.sleep(self._chance.uniform(0.0, 1.5 * LEASE_SECONDS))
        self._server.start()
        self.blows["restarted the server"] += 1

    def _check_that_all_live(self) -> None:
        for worker in self._workers.values():
            assert worker.is_running, f"a worker ended by itself: {worker.printed}"

    @staticmethod
    def _ask(progress: Callable[[], int]) -> int:
        try:
            return progress()
        except (psycopg.OperationalError, psycopg.errors.UndefinedTable):
            return 0

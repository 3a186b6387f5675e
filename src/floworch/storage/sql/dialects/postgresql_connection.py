"""Connections to PostgreSQL that notice a dead peer, end by themselves what hangs, and outlive a server's restart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import URL, Engine, create_engine

from floworch.errors import ConfigurationError

__all__ = ["RECYCLE_SECONDS", "Connections"]

_FEWEST = 3
RECYCLE_SECONDS = 1800
"""How long a connection is used."""
_NETWORK = {
    # A firewall that forgets a quiet connection, or a machine that lost its power, is noticed after a minute.
    "connect_timeout": "10",
    "keepalives": "1",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}
_BY_PRIMARY_KEY = {
    # What commits write is named by primary keys, be it one row or a hundred. Left to itself, the server plans for few
    # rows each time anew, which takes as long as the work; or it keeps a plan that it made while the tables were empty,
    # which reads all of them until they are analysed.
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Connections:
    """What all connections of a store have in common. What the URL says about the same wins.

    Raises ConfigurationError for values that make no sense.
    """

    pool_size: int = 6
    """Connections of one process: two that commit, two for what else is written, the others read; fewer than six make
    do with one that commits or writes. The pool never grows beyond it."""
    handler_connections: int = 10
    """More connections, made when they are first needed, for the transactions of handlers; further ones wait."""
    statement_timeout_seconds: float = 30.0
    """The server ends a statement that takes longer, so that a stuck one cannot keep its connection for ever."""
    lock_timeout_seconds: float = 5.0
    """The server ends a statement that waits longer for a lock, and other work goes on meanwhile."""
    idle_in_transaction_timeout_seconds: float = 60.0
    """The server ends a transaction in which nothing happens for so long, as when its process was stopped: others wait
    for its locks."""
    application_name: str = "floworch"
    """Shown in ``pg_stat_activity``."""
    pgbouncer: bool = False
    """Between two transactions the connection may be another one: prepare nothing, and say the timeouts in each."""

    def __post_init__(self) -> None:
        if self.pool_size < _FEWEST:
            raise ConfigurationError(f"pool_size is {self.pool_size!r}; a store needs at least {_FEWEST} connections")
        if self.handler_connections < 1:
            raise ConfigurationError(f"handler_connections is {self.handler_connections!r}; it must be at least 1")
        for name in ("statement_timeout_seconds", "lock_timeout_seconds", "idle_in_transaction_timeout_seconds"):
            if not getattr(self, name) > 0:
                raise ConfigurationError(f"{name} is {getattr(self, name)!r}; it must be greater than 0")

    def engine(self, url: URL, size: int) -> Engine:
        """An engine with at most ``size`` connections, none of them made yet. Raises ``ImportError`` when the driver is
        missing."""
        return create_engine(
            url,
            pool_size=size,
            max_overflow=0,
            hide_parameters=True,  # among them are payloads, and errors are logged
            # Moves to another server behind the same name, sooner or later. Not a ping before each use, which would be
            # a round trip per transaction: a broken connection empties the pool, and the work is done again.
            pool_recycle=RECYCLE_SECONDS,
            connect_args=self.arguments(url.query),
        )

    def arguments(self, given: Mapping[str, Any], *, only_commits: bool = False) -> dict[str, Any]:
        """Arguments of ``psycopg.connect`` beside those that the URL gives. ``only_commits``: nothing else is asked on
        the connection."""
        wanted: dict[str, Any] = {**_NETWORK, "application_name": self.application_name}
        arguments = {name: value for name, value in wanted.items() if name not in given}
        if self.pgbouncer:
            return {**arguments, "prepare_threshold": None}
        chosen = {**self.timeouts(), **(_BY_PRIMARY_KEY if only_commits else {})}
        settings = " ".join(f"-c {name}={value}" for name, value in chosen.items())
        # The last one wins.
        return {**arguments, "options": f"{settings} {given['options']}" if "options" in given else settings}

    def timeouts(self) -> dict[str, int]:
        """Server setting → milliseconds."""
        return {
            "statement_timeout": round(self.statement_timeout_seconds * 1000),
            "lock_timeout": round(self.lock_timeout_seconds * 1000),
            "idle_in_transaction_session_timeout": round(self.idle_in_transaction_timeout_seconds * 1000),
        }

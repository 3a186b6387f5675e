"""Turns changes into the value rows of bulk statements."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import itemgetter
from typing import Any

from pydantic_core import PydanticSerializationError, to_json

from floworch.core.dag.keys import scope_of
from floworch.core.machine.progress import progress_to_json
from floworch.core.machine.state import ParentStep, RunFacts, Suspension
from floworch.core.machine.transition import Fact, StepChange
from floworch.core.model.json_encode import encode
from floworch.core.model.payload import Payload, PayloadKind
from floworch.core.ports.storage import Advance, Claim, Creation, RareWrites, RunWrite
from floworch.storage.sql.bulk import Row
from floworch.storage.sql.dialects.base import SqlDialect
from floworch.storage.sql.tables import IN_PAYLOAD_TABLE

__all__ = ["RowWriter", "Rows", "fact_row", "in_order"]


@dataclass(slots=True)
class Rows:
    """Rows by statement, named like the fields of :class:`~floworch.storage.sql.statements.Statements`."""

    insert_run: list[Row] = field(default_factory=list)
    insert_child: list[Row] = field(default_factory=list)
    insert_tick_run: list[Row] = field(default_factory=list)
    insert_tag: list[Row] = field(default_factory=list)
    advance_run: list[Row] = field(default_factory=list)
    touch_run: list[Row] = field(default_factory=list)
    tell_parent: list[Row] = field(default_factory=list)
    hear_of: list[Row] = field(default_factory=list)
    mark_end: list[Row] = field(default_factory=list)
    move_run: list[Row] = field(default_factory=list)
    suspend_run: list[Row] = field(default_factory=list)
    insert_step: list[Row] = field(default_factory=list)
    change_step: list[Row] = field(default_factory=list)
    remove_step: list[Row] = field(default_factory=list)
    settle_scope: list[Row] = field(default_factory=list)
    revive_scope: list[Row] = field(default_factory=list)
    payload: list[Row] = field(default_factory=list)
    insert_signal: list[Row] = field(default_factory=list)
    take_signal: list[Row] = field(default_factory=list)
    insert_event: list[Row] = field(default_factory=list)


class _Values(dict[Any, Any]):
    """Instants, leases or flows as values of bulk rows. A batch has few, and each of them in many rows."""

    def __init__(self, of: Callable[[Any], Any]) -> None:
        super().__init__({None: None})
        self._of = of

    def __missing__(self, key: Any) -> Any:
        value = self[key] = self._of(key)
        return value


class RowWriter:
    """Adds changes to ``rows``. ``now`` is the application's time at which leases begin."""

    def __init__(self, dialect: SqlDialect, now: datetime, *, inline_chars: int) -> None:
        self.rows = Rows()
        self._instants = _Values(dialect.instant)
        self._flows = _Values(str)
        self._leases = _Values(lambda seconds: dialect.lease(seconds, now))
        self._touches = dialect.rewrites_indexes
        self._inline_chars = inline_chars

    def create(self, creation: Creation) -> None:
        run_id, facts = str(creation.run_id), creation.facts_of_run
        self._rows_of(facts).append(
            (
                run_id,
                self._flows[facts.flow_id],
                creation.flow_name,
                creation.flow_version,
                facts.manifest_hash,
                facts.trigger_key,
                self._instants[facts.started_at],
                facts.idempotency_key,
                None if facts.source_run_id is None else str(facts.source_run_id),
                facts.priority,
                facts.concurrency_key,
                self._payload(run_id, "", PayloadKind.BODY, creation.body),
                self._payload(run_id, "", PayloadKind.HEADERS, creation.headers),
                _json(facts.tags) if facts.tags else None,
                *_parent(facts.parent),
                *(() if facts.scheduled_at is None else (self._instants[facts.scheduled_at],)),
                *self._run_change(creation, 1),
            )
        )
        for name, value in facts.tags.items():
            self.rows.insert_tag.append((run_id, name, value, self._instants[facts.started_at]))
        self._write(run_id, creation)

    def _rows_of(self, facts: RunFacts) -> list[Row]:
        if facts.scheduled_at is not None:
            return self.rows.insert_tick_run
        return self.rows.insert_run if facts.parent is None else self.rows.insert_child

    def advance(self, advance: Advance) -> None:
        run_id, expected = str(advance.run_id), advance.expected_revision
        if advance.changes_run or not self._touches:
            self.rows.advance_run.append((*self._run_change(advance, expected + 1), run_id, expected))
        else:
            self.rows.touch_run.append((run_id, expected))
        self._write(run_id, advance)

    def claim(self, claim: Claim) -> Row:
        """The row of ``claim_step``."""
        return (
            claim.owner,
            self._instants[claim.at],
            self._leases[claim.lease_seconds],
            str(claim.run_id),
            claim.step_key,
            claim.attempt,
        )

    def started(self, claim: Claim) -> None:
        """Tell the history that the claim was won."""
        fact: Fact = {
            "type": "step.started",
            "step": claim.step_key,
            "attempt": claim.attempt + 1,
            "worker": claim.owner,
        }
        self.rows.insert_event.append((str(claim.run_id), self._instants[claim.at], fact_row([fact])))

    def _run_change(self, write: RunWrite, revision: int) -> Row:
        stop = write.stop
        stopped = (
            (None, None, None) if stop is None else (stop.kind.value, _words(stop.reason), self._instants[stop.at])
        )
        return (
            write.status._value_,  # as ``value``, which is a function in Python
            self._instants[write.deadline],
            *stopped,
            self._instants[write.ended_at],
            revision,
        )

    def _write(self, run_id: str, write: RunWrite) -> None:
        rows = self.rows
        for place, (key, change) in enumerate(write.steps.items()):
            values = self._step_change(run_id, key, change, write.owner)
            before = change.before
            if before is None:
                flow_id = self._flows[write.flow_id]
                identity = (run_id, key, scope_of(key), change.type, flow_id, write.priority, write.concurrency_key)
                rows.insert_step.append((*identity, place, *values))
            else:
                rows.change_step.append((*values, run_id, key, before.status._value_, before.attempt))
        if write.tells_end is not None:
            rows.mark_end.append((self._instants[write.at] if write.tells_end else None, run_id))
        if write.rare is not None:
            self._write_rare(run_id, write, write.rare)
        if write.facts:
            rows.insert_event.append((run_id, self._instants[write.at], fact_row(write.facts)))

    def _write_rare(self, run_id: str, write: RunWrite, rare: RareWrites) -> None:
        rows = self.rows
        for key, items in rare.loop_items.items():
            rows.payload.append((run_id, key, PayloadKind.ITEMS.value, items.text))
        rows.remove_step += [(run_id, key) for key in rare.removed if key not in write.steps]
        rows.settle_scope += _scope_rows(run_id, rare.settled)
        rows.revive_scope += _scope_rows(run_id, rare.revived)
        rows.hear_of += [(str(child_id),) for child_id in rare.heard_of]
        if rare.tells_parent:
            rows.tell_parent.append((run_id,))
        if rare.changes_suspension:
            rows.suspend_run.append((*self._suspension(rare.suspension), run_id))
        if rare.moved_to is not None:
            rows.move_run.append((*rare.moved_to, run_id))
        if rare.signals or rare.taken:
            self._deliver(run_id, rare, write.at)

    def _suspension(self, suspension: Suspension | None) -> Row:
        if suspension is None:
            return (None, None, None)
        return (self._instants[suspension.at], suspension.by, _words(suspension.reason))

    def _deliver(self, run_id: str, rare: RareWrites, received_at: datetime) -> None:
        at = self._instants[received_at]
        for signal in rare.signals:
            letter = signal.letter
            self.rows.insert_signal.append(
                (run_id, str(letter.id), letter.number, letter.name, letter.deduplication_id, signal.payload.text, at)
            )
        for signal_id, by in rare.taken.items():
            self.rows.take_signal.append((by.step_key, by.attempt, at, run_id, str(signal_id)))

    def _step_change(self, run_id: str, key: str, change: StepChange, owner: str) -> Row:
        state, lease_seconds, when = change.state, change.lease_seconds, self._instants
        error = None if change.error is None else Payload(_json(change.error.to_json()))
        trace = None if change.trace is None else Payload(encode(change.trace))
        return (
            state.status._value_,
            state.attempt,
            state.failures,
            state.lost,
            when[state.due_at],
            None if state.wait is None else state.wait.value,
            when[state.waiting_since],
            None if state.skip is None else state.skip.value,
            _words(state.reason),
            state.owner if lease_seconds is None else owner,
            when[state.ready_at],
            when[state.started_at],
            when[state.ended_at],
            None if state.progress is None else _json(progress_to_json(state.progress)),
            self._leases[lease_seconds],
            change.input and self._payload(run_id, key, "input", change.input),
            change.output and self._payload(run_id, key, PayloadKind.OUTPUT, change.output),
            error and self._payload(run_id, key, PayloadKind.ERROR, error),
            trace and self._payload(run_id, key, "trace", trace),
        )

    def _payload(self, run_id: str, key: str, kind: str, payload: Payload | None) -> str | None:
        if payload is None:
            return None
        if len(payload.text) <= self._inline_chars:
            return payload.text
        self.rows.payload.append((run_id, key, str(kind), payload.text))
        return IN_PAYLOAD_TABLE


def _parent(parent: ParentStep | None) -> Row:
    if parent is None:
        return ()
    return (str(parent.run_id), parent.step_key, parent.attempt, int(parent.waits), parent.depth)


def fact_row(facts: Sequence[Fact]) -> str:
    """Facts of one commit as the event table keeps them."""
    # Only a condition's trace can hold user values, for which the fast encoder has other rules.
    for fact in facts:
        if "when" in fact:
            return encode(facts)
    return _json(facts)


def in_order(rows: list[Row], *places: int) -> list[Row]:
    """Rows sorted by the values at ``places``: transactions that lock rows in one order cannot deadlock."""
    return rows if len(rows) < 2 else sorted(rows, key=itemgetter(*places))


def _scope_rows(run_id: str, scopes: Iterable[str]) -> list[Row]:
    # All keys in a scope begin with "scope."; "/" is the character after the dot.
    return [(run_id, f"{scope}.", f"{scope}/", scope) for scope in scopes]


def _words(text: str | None) -> str | None:
    """Text for people, whoever wrote it, without what no database can keep: NUL and halves of characters."""
    if text is None or text.isascii():
        return text and text.replace("\0", "\N{REPLACEMENT CHARACTER}")
    return text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


def _json(value: Any) -> str:
    try:
        return to_json(value).decode()
    except PydanticSerializationError:  # a lone surrogate, in the message of somebody's exception
        return json.dumps(value)

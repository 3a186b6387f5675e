"""Somebody who sends signals to the run that is played: to steps that wait, to steps to come, and some twice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

from floworch.core.machine.commands import SignalReceived
from floworch.core.model.payload import Json, Payload
from floworch.errors import SignalRefused
from tests.simulation.specs import SignalSpec, StepSpec, spec_of

if TYPE_CHECKING:
    from tests.simulation.player import Player

__all__ = ["Sender"]

_KEYS = (None, None, "one", "two")
_OTHER_PAYLOADS: tuple[Json, ...] = (3, None, {"n": 1})


@dataclass(slots=True)
class Sender:
    player: Player
    waits: list[SignalSpec] = field(init=False)
    sent: list[SignalReceived] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.waits = list(_waits(self.player.story.flow.steps))

    def send(self) -> None:
        """Send what chance picks. It is refused only if nobody takes such payloads, or if it has come before."""
        pick = self.player._pick
        names = self.waits[pick(len(self.waits))].names
        name, key = names[pick(len(names))], _KEYS[pick(len(_KEYS))]
        payload = "text" if pick(2) else _OTHER_PAYLOADS[pick(len(_OTHER_PAYLOADS))]
        if key in self.player.desk.post.deduplication_ids:
            self.player.desk.expect_refusal(self._command(name, payload, key))
            return
        try:
            self._send(name, payload, key)
        except SignalRefused:
            takers = [wait for wait in self.waits if name in wait.names]
            assert not any(wait.takes(payload) for wait in takers), f"{payload!r} was refused"

    def repeat(self) -> None:
        """A signal arrives once more."""
        self.player.desk.expect_refusal(self.sent[self.player._pick(len(self.sent))])

    def answer(self, step_key: str) -> None:
        """Send one of what the step waits for."""
        signal = spec_of(self.player.story.flow, step_key).signal
        assert signal is not None
        post = self.player.desk.post
        kept = [post.names[letter] for letter in post.names if letter not in post.taken]
        self._send(min(signal.names, key=kept.count), "text", None)

    def _send(self, name: str, payload: Json, key: str | None) -> None:
        command = self._command(name, payload, key)
        self.player.send(command)
        self.sent.append(command)

    def _command(self, name: str, payload: Json, key: str | None) -> SignalReceived:
        return SignalReceived(UUID(int=5_000 + len(self.sent)), name, Payload.of(payload), key)


def _waits(steps: Iterable[StepSpec]) -> Iterator[SignalSpec]:
    for spec in steps:
        if spec.signal is not None:
            yield spec.signal
        for block in (spec.loop, spec.until):
            if block is not None:
                yield from _waits(block.body)
        if spec.scope is not None:
            for branch in spec.scope.branches.values():
                yield from _waits(branch)

"""The output of a step that has waited for signals."""

from __future__ import annotations

from collections.abc import Sequence

from floworch.core.machine.progress import SignalWait
from floworch.core.model.payload import Json, Payload

__all__ = ["signal_output"]


def signal_output(wait: SignalWait, names: Sequence[str], payloads: Sequence[Payload | None]) -> Payload:
    """Made of the signals' payloads, which belong to ``names``. The shape follows from the inputs alone:

    * one ``signalName``: the payload;
    * ``signalNames`` of which any will do: ``{"name": ..., "payload": ...}``;
    * all of ``signalNames``: an object, name → payload;

    and a list of these payloads or objects (in the last case, of payloads under each name) for a quorum of more than 1.
    """
    if len(payloads) == 1 and wait.mode == "one" and wait.quorum == 1:
        return payloads[0] or Payload.of(None)
    values = [None if payload is None else payload.value for payload in payloads]
    return Payload.of(_combined(wait, names, values))


def _combined(wait: SignalWait, names: Sequence[str], values: Sequence[Json]) -> Json:
    if wait.mode == "all":
        found = list(zip(names, values, strict=True))
        return {name: _one_or_list(wait, [value for of, value in found if of == name]) for name in wait.names}
    if wait.mode == "any":
        values = [{"name": name, "payload": value} for name, value in zip(names, values, strict=True)]
    return _one_or_list(wait, values)


def _one_or_list(wait: SignalWait, values: Sequence[Json]) -> Json:
    return values[0] if wait.quorum == 1 else list(values)

"""Why a step still waits for signals: which ones, how many of them have come, and until when it waits."""

from __future__ import annotations

from typing import Any

from floworch.core.explain import words
from floworch.core.explain.reasons import Reason, ReasonCode
from floworch.core.explain.situation import Situation
from floworch.core.machine.draft import Draft
from floworch.core.machine.progress import SignalWait
from floworch.core.machine.state import StepState
from floworch.core.machine.waits.signals import allotments

__all__ = ["why_no_signal"]


def why_no_signal(situation: Situation, key: str, state: StepState) -> Reason:
    """Raises PayloadsNeeded where the step takes signals by what is in them."""
    wait = state.progress
    assert isinstance(wait, SignalWait)
    letters = allotments(Draft(situation.state, situation.now, situation.payloads, None)).get(key, [])
    came = {name: sum(1 for letter in letters if letter.name == name) for name in wait.names}
    wanted = wait.quorum * (len(wait.names) if wait.mode == "all" else 1)
    details: dict[str, Any] = {
        "names": list(wait.names),
        "mode": wait.mode,
        "quorum": wait.quorum,
        "wanted": wanted,
        "came": came,
    }
    now = situation.now
    limit = "" if state.due_at is None else f"; it gives up at {words.ahead(state.due_at, now)}"
    sentence = (
        f"Step {key!r} waits for {_what(wait)}{words.since(state.waiting_since, now)}{_so_far(wanted, came)}{limit}."
    )
    return Reason(ReasonCode.SIGNAL, key, sentence, state.waiting_since, state.due_at, details)


def _what(wait: SignalWait) -> str:
    if len(wait.names) == 1:
        [name] = wait.names
        return f"the signal {name!r}" if wait.quorum == 1 else f"{wait.quorum} signals {name!r}"
    listed = (" and " if wait.mode == "all" else " or ").join(map(repr, wait.names))
    if wait.mode == "all":
        each = "" if wait.quorum == 1 else f", {wait.quorum} of each"
        return f"the signals {listed}{each}"
    return f"one of the signals {listed}" if wait.quorum == 1 else f"{wait.quorum} of the signals {listed}"


def _so_far(wanted: int, came: dict[str, int]) -> str:
    if wanted == 1:
        return ""
    which = ", ".join(f"{count} {name!r}" for name, count in came.items() if count)
    return f": {sum(came.values())} of {wanted} have come" + (f" ({which})" if which else "")

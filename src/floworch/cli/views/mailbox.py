"""The signals of a run that no step has taken yet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.text import Text

from floworch.cli.json_output import json_text
from floworch.cli.words import local_time, short
from floworch.core.model.signals import SignalRecord

__all__ = ["mailbox_lines"]


def mailbox_lines(signals: Iterable[SignalRecord]) -> Iterator[Text]:
    """A heading and one line per signal; nothing for an empty mailbox."""
    kept = [signal for signal in signals if signal.taken_by is None]
    if kept:
        yield Text("\nmailbox")
    for signal in kept:
        at = (local_time(signal.received_at), "bright_black")
        yield Text.assemble("  ", at, f"  {signal.name:<20} {short(json_text(signal.payload))}")

"""Explanations as text."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from floworch.cli.words import plural
from floworch.core.explain import Explanation

__all__ = ["explanation_lines"]

_MOST_SHOWN = 20


def explanation_lines(explanation: Explanation) -> Iterator[Text]:
    """The status, what is told first, every other reason, and what comes after that."""
    subject = explanation.about.get("stepKey") or explanation.about.get("trigger") or "run"
    yield Text.assemble((f"{subject}: {explanation.status}", "bold"))
    yield Text(explanation.sentence)
    others = [reason for reason in explanation.reasons if reason.sentence not in explanation.sentence]
    for reason in others[:_MOST_SHOWN]:
        yield Text.assemble((f"{reason.code.value:<12} ", "bright_black"), reason.sentence)
    if left := len(others[_MOST_SHOWN:]) + explanation.left_off:
        yield Text(f"and {plural(left, 'reason')} more; --json has the first ones in full", "bright_black")
    if explanation.then:
        yield Text(f"then: {', '.join(explanation.then[:_MOST_SHOWN])}", "bright_black")

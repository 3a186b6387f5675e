"""Guesses at what a misspelt name was meant to be."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["did_you_mean"]


def did_you_mean(name: str, candidates: Iterable[str], form: str = "{}") -> str:
    """``; did you mean 'x'?`` for the candidate nearest to ``name``, ``""`` when none is near.

    ``form`` says how the candidate is written, e.g. ``{}(...)``.
    """
    by_folded = {candidate.casefold(): candidate for candidate in candidates}
    nearest = get_close_matches(name[:100].casefold(), by_folded, n=1, cutoff=0.6)
    return f"; did you mean '{form.format(by_folded[nearest[0]])}'?" if nearest else ""

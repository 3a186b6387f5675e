"""Suggestions for misspelt words in messages."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["did_you_mean", "nearest"]


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """The choice most like ``word``, whatever the case; None when nothing is near."""
    by_fold = {choice.casefold(): choice for choice in choices}
    close = difflib.get_close_matches(word.casefold(), by_fold, n=1, cutoff=0.6)
    return by_fold[close[0]] if close else None


def did_you_mean(word: str, choices: Iterable[str], quote: str = "'") -> str:
    """``" Did you mean 'x'?"`` to append to a message; empty when nothing is near."""
    found = nearest(word, choices)
    return f" Did you mean {quote}{found}{quote}?" if found else ""

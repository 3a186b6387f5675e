"""Lengths of time as people type them."""

from __future__ import annotations

import re
from datetime import timedelta

import typer

__all__ = ["parse_duration"]

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_duration(text: str) -> timedelta:
    """``90s``, ``45m``, ``12h``, ``30d`` or ``2w``. Raises typer.BadParameter."""
    match = _DURATION.fullmatch(text.strip().lower())
    if match is None:
        raise typer.BadParameter(
            f"{text!r} is no length of time. Write a number and s, m, h, d or w, such as 12h or 30d."
        )
    try:
        return timedelta(**{_UNITS[match[2]]: float(match[1])})
    except OverflowError:
        raise typer.BadParameter(f"{text!r} is too long.") from None

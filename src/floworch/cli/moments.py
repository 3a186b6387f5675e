"""Moments as people type them."""

from __future__ import annotations

from datetime import datetime

import typer

__all__ = ["parse_moment"]


def parse_moment(text: str) -> datetime:
    """A day or a time as in ISO 8601, in the local time zone unless it names its own. Raises typer.BadParameter."""
    try:
        return datetime.fromisoformat(text.strip()).astimezone()
    except (ValueError, OverflowError):
        raise typer.BadParameter(
            f"{text!r} is no moment. Write a day or a time such as 2030-01-31, 2030-01-31T09:00 or 2030-01-31T09:00Z."
        ) from None

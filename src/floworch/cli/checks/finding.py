"""One thing that the doctor found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Finding", "Level", "fine", "problem", "warning"]


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """``advice`` is what to do; empty when all is well."""

    level: Level
    topic: str
    message: str
    advice: str = ""


def fine(topic: str, message: str) -> Finding:
    """Nothing to do."""
    return Finding(Level.OK, topic, message)


def warning(topic: str, message: str, advice: str) -> Finding:
    """It works, but not as well as it could, or not for long."""
    return Finding(Level.WARNING, topic, message, advice)


def problem(topic: str, message: str, advice: str) -> Finding:
    """It does not work."""
    return Finding(Level.PROBLEM, topic, message, advice)

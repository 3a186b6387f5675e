"""Runs that the clock starts: which schedules there are, when they are due, and what is then written."""

from __future__ import annotations

from floworch.core.engine.schedules.scheduler import Scheduler

__all__ = ["Scheduler"]

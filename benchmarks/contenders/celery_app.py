"""The application that a Celery worker is started with, and its tasks."""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = ["app", "step"]


def _step(number: int) -> dict[str, int]:
    return {"number": number}


app: Any = import_module("celery").Celery("bench")
step: Any = app.task(name="step")(_step)

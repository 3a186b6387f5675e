"""Limits for blocking code."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from floworch.core.model.limits import Rate
from floworch.limits import Limits, LimitStatus

__all__ = ["SyncLimits"]

_T = TypeVar("_T")


class SyncLimits:
    """Methods, arguments and errors are those of :class:`~floworch.limits.Limits`."""

    def __init__(self, call: Callable[[Coroutine[Any, Any, Any]], Any], limits: Limits) -> None:
        self._call = call
        self._limits = limits

    def list(self) -> builtins.list[LimitStatus]:
        return self._do(self._limits.list())

    def get(self, name: str) -> LimitStatus:
        return self._do(self._limits.get(name))

    def set(self, name: str, *, concurrency: int | None = None, rate: Rate | None = None) -> None:
        self._do(self._limits.set(name, concurrency=concurrency, rate=rate))

    def lift(self, name: str) -> None:
        self._do(self._limits.lift(name))

    def reset_to_code(self, name: str) -> None:
        self._do(self._limits.reset_to_code(name))

    def _do(self, work: Coroutine[Any, Any, _T]) -> _T:
        answer: _T = self._call(work)
        return answer

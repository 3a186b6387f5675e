"""Doing the same to many runs, for blocking code."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from floworch.bulk import BulkReport, Selection

__all__ = ["SyncSelection"]


class SyncSelection:
    """Methods, arguments and errors are those of :class:`~floworch.bulk.Selection`. ``progress`` is called on the event
    loop's thread, and ``abort`` may be a :class:`threading.Event`."""

    def __init__(self, call: Callable[[Coroutine[Any, Any, Any]], Any], selection: Selection) -> None:
        self._call = call
        self._selection = selection

    def count(self) -> int:
        found: int = self._call(self._selection.count())
        return found

    def cancel(self, reason: str | None = None, **arguments: Any) -> BulkReport:
        return self._do(self._selection.cancel(reason, **arguments))

    def suspend(self, reason: str | None = None, **arguments: Any) -> BulkReport:
        return self._do(self._selection.suspend(reason, **arguments))

    def resume(self, **arguments: Any) -> BulkReport:
        return self._do(self._selection.resume(**arguments))

    def retry_failed(self, **arguments: Any) -> BulkReport:
        return self._do(self._selection.retry_failed(**arguments))

    def retry(self, step_key: str, **arguments: Any) -> BulkReport:
        return self._do(self._selection.retry(step_key, **arguments))

    def fork(self, from_step: str, **arguments: Any) -> BulkReport:
        return self._do(self._selection.fork(from_step, **arguments))

    def rerun(self, **arguments: Any) -> BulkReport:
        return self._do(self._selection.rerun(**arguments))

    def complete_step(self, step_key: str, **arguments: Any) -> BulkReport:
        return self._do(self._selection.complete_step(step_key, **arguments))

    def fail_step(self, step_key: str, reason: str, **arguments: Any) -> BulkReport:
        return self._do(self._selection.fail_step(step_key, reason, **arguments))

    def skip_step(self, step_key: str, reason: str, **arguments: Any) -> BulkReport:
        return self._do(self._selection.skip_step(step_key, reason, **arguments))

    def run_step_now(self, step_key: str, **arguments: Any) -> BulkReport:
        return self._do(self._selection.run_step_now(step_key, **arguments))

    def signal(self, name: str, payload: Any = None, **arguments: Any) -> BulkReport:
        return self._do(self._selection.signal(name, payload, **arguments))

    def migrate(self, **arguments: Any) -> BulkReport:
        return self._do(self._selection.migrate(**arguments))

    def _do(self, work: Coroutine[Any, Any, BulkReport]) -> BulkReport:
        report: BulkReport = self._call(work)
        return report

"""Handlers as the engine finds them: by step type."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from floworch.core.dag.rules.known import InputCheck
from floworch.core.handlers.binding import faults_of_literals
from floworch.core.handlers.ended import Raised, call_async
from floworch.core.handlers.parameters import Parameters
from floworch.core.handlers.spec import ExecutorKind
from floworch.core.model.child_types import RUN_FLOW, child_type
from floworch.core.model.limits import Limit
from floworch.core.policy.retry import RetryPolicy
from floworch.errors import ConfigurationError

__all__ = ["Handler", "Handlers"]


@dataclass(frozen=True, slots=True, eq=False)
class Handler:
    """A handler that is ready to be called. ``origin`` says where it was written, for messages."""

    type: str
    call: Callable[..., Any]
    is_async: bool
    executor: ExecutorKind
    parameters: Parameters
    origin: str
    retry: RetryPolicy | None = None
    timeout_seconds: float | None = None
    description: str | None = None
    polls: bool = False
    limit: Limit | None = None
    close: Callable[[], Awaitable[object]] | None = None
    """Ends what the handler keeps open, where it was made here."""

    @property
    def takes_context(self) -> bool:
        return self.parameters.context is not None


class Handlers:
    """Handlers by step type, in whatever case the type is written. Never changes."""

    def __init__(self, handlers: Iterable[Handler], aliases: Mapping[str, Handler] | None = None) -> None:
        """``aliases`` are further words for handlers, which are not among the :attr:`types`."""
        by_type = {each.type.lower(): each for each in handlers}
        self._types = frozenset(each.type for each in by_type.values())
        self._by_type: Mapping[str, Handler] = {
            **{word.lower(): each for word, each in (aliases or {}).items()},
            **by_type,
        }

    @property
    def types(self) -> frozenset[str]:
        """Step types as their authors wrote them."""
        return self._types

    def knowing_flows(self, references: Iterable[str]) -> Handlers:
        """These handlers, with that of ``RunFlow`` for steps that start one of these flows."""
        run_flow = self.find(RUN_FLOW)
        handlers = [each for each in self._by_type.values() if each.type in self._types]
        return Handlers(handlers, {child_type(each): run_flow for each in references} if run_flow else None)

    @property
    def polling_types(self) -> frozenset[str]:
        """Casefolded step types whose handlers poll."""
        return frozenset(each.type.casefold() for each in self._by_type.values() if each.polls)

    @property
    def limits(self) -> dict[str, Limit]:
        """Step type → how its handler is limited."""
        return {each.type: each.limit for each in self._by_type.values() if each.limit is not None}

    def find(self, step_type: str) -> Handler | None:
        """Handler of the step type, or None."""
        return self._by_type.get(step_type.lower())

    def get(self, step_type: str) -> Handler:
        """Handler of the step type. Raises :class:`~floworch.errors.ConfigurationError` that names the nearest one."""
        found = self._by_type.get(step_type.lower())
        if found is None:
            raise ConfigurationError(_no_handler(step_type, self.types))
        return found

    def name_check(self, step_type: str) -> InputCheck | None:
        """How to check which inputs a step of the type may have; None where there is no handler, or one that sees to it
        itself."""
        found = self.find(step_type)
        if found is None or found.parameters.takes_rest or found.parameters.whole is not None:
            return None
        return partial(faults_of_literals, found.parameters)

    async def aclose(self) -> Sequence[BaseException]:
        """Close those that keep something open; returns what went wrong."""
        closing = {id(each.call): each.close for each in self._by_type.values() if each.close is not None}
        outcomes = await asyncio.gather(*(call_async(close) for close in closing.values()))
        return [ended.error for ended in outcomes if isinstance(ended, Raised)]

    def __contains__(self, step_type: str) -> bool:
        return step_type.lower() in self._by_type

    def __len__(self) -> int:
        return len(self._by_type)


def _no_handler(step_type: str, types: frozenset[str]) -> str:
    by_lower = {each.lower(): each for each in types}
    close = difflib.get_close_matches(step_type.lower(), by_lower, n=1)
    hint = f"Did you mean {by_lower[close[0]]!r}?" if close else f"Registered: {', '.join(sorted(types)) or 'none'}."
    return f"No handler is registered for the step type {step_type!r}. {hint}"

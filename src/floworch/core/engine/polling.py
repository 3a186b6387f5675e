"""One poll: its settings, and what the handler's result means for the step."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from random import Random
from typing import TypeAlias

from floworch.core.dag.waits.poll import PollPlan, is_met
from floworch.core.engine.attempt_environment import AttemptEnvironment, Variables, evaluate
from floworch.core.expressions import Condition, Reference
from floworch.core.handlers.failures import plain_failure
from floworch.core.handlers.results import Deferred, Failed, StepOutcome, Succeeded
from floworch.core.handlers.secrets import Secrets
from floworch.core.machine.progress import PollProgress
from floworch.core.machine.state import StepState
from floworch.core.model.payload import Json, Payload
from floworch.core.model.records import StepError
from floworch.core.policy.polling import PollSettings
from floworch.core.ports.clock import Clock
from floworch.errors import ExpressionError

__all__ = ["POLL_TIMEOUT", "BadPollSettings", "Poll"]

POLL_TIMEOUT = "PollTimeout"
_SHOWN_CHARACTERS = 300

Read: TypeAlias = Callable[[frozenset[Reference], Callable[[AttemptEnvironment], bool]], Awaitable[bool]]
"""Loads what references need, and calls with it."""


class BadPollSettings(Exception):
    """Expressions have given values that polling cannot be set to."""


class Poll:
    """The poll that an attempt makes. ``state`` is that of its step, which is running."""

    def __init__(self, plan: PollPlan, state: StepState, variables: Variables, clock: Clock, chance: Random) -> None:
        progress = state.progress
        self.number = progress.polls + 1 if isinstance(progress, PollProgress) else 1
        self._plan = plan
        self._began_at = state.waiting_since or state.started_at or clock.now()
        self._variables = variables
        self._clock = clock
        self._chance = chance
        self._settings = PollSettings()

    def prepare(self, environment: AttemptEnvironment) -> None:
        """Find out the settings. Raises ExpressionError, BadPollSettings."""
        try:
            self._settings = PollSettings.of(evaluate(self._plan.settings.resolve, environment, self._variables))
        except ValueError as error:
            raise BadPollSettings(Secrets(self._variables.read).hide(str(error))) from None

    async def judge(self, outcome: StepOutcome, read: Read) -> StepOutcome:
        """What the result means: success, a pause before the next poll, or failure because the time is up.

        A handler that defers the step itself says by that how long the pause is.
        """
        if not isinstance(outcome, Succeeded | Deferred):
            return outcome
        try:
            met = isinstance(outcome, Succeeded) and await self._is_met(outcome.output.value, read)
        except ExpressionError as error:
            return Failed(StepError(type(error).__name__, str(error), retryable=False))
        if met and self.number >= self._settings.min_attempts:
            return outcome
        return self._pause(outcome, self._clock.now())

    async def _is_met(self, result: Json, read: Read) -> bool:
        condition = self._plan.condition
        if not self._settings.enabled:
            return True
        if condition is None:
            return is_met(self._settings, result)
        return await read(condition.references, lambda environment: self._decide(condition, environment, result))

    def _decide(self, condition: Condition, environment: AttemptEnvironment, result: Json) -> bool:
        return evaluate(condition.evaluate, environment.with_result(result), self._variables).result

    def _pause(self, outcome: Succeeded | Deferred, now: datetime) -> StepOutcome:
        pause = self._settings.next_pause(self.number, now - self._began_at, self._chance.random())
        if pause is None:
            message = _too_late(timedelta(seconds=self._settings.timeout), self.number, outcome.output)
            return plain_failure(POLL_TIMEOUT, message, retryable=False)
        return Deferred(pause if isinstance(outcome, Succeeded) else outcome.after, outcome.output)


def _too_late(timeout: timedelta, polls: int, output: Payload | None) -> str:
    text = "nothing" if output is None else output.text
    shown = text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 1]}…"
    times = "1 poll" if polls == 1 else f"{polls} polls"
    seconds = f"{timeout.total_seconds():g} seconds"
    return f"What the step waits for did not come within {seconds}, in {times}. The last result was {shown}"

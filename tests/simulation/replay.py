"""Property tests whose failures say how to see them again."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from functools import wraps
from typing import Any

from hypothesis import HealthCheck, Phase, given, note, seed, settings
from hypothesis.strategies import SearchStrategy

__all__ = ["SEED", "searched"]

SEED = int(os.environ.get("FLOWORCH_TEST_SEED") or random.SystemRandom().randrange(2**32))
"""One seed for all searches of this process; set FLOWORCH_TEST_SEED to choose it, as CI does."""

_THOROUGH = 40
"""How many times as many examples the Hypothesis profile ``thorough`` tries."""

_Test = Callable[..., None]


def searched(max_examples: int, **strategies: SearchStrategy[Any]) -> Callable[[_Test], _Test]:
    """``given`` and ``settings`` in one; a failure prints the command that finds it again.

    ``max_examples`` is the budget of the default profile.
    """
    thorough = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
    budget = settings(
        max_examples=max_examples * (_THOROUGH if thorough else 1),
        deadline=None,
        print_blob=True,
        # Explaining a failure costs minutes with flows of this size.
        phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )

    def decorate(test: _Test) -> _Test:
        return seed(SEED)(budget(given(**strategies)(_noting_the_command(test))))

    return decorate


def _noting_the_command(test: _Test) -> _Test:
    path = test.__module__.replace(".", "/")

    @wraps(test)
    def noted(*args: Any, **kwargs: Any) -> None:
        note(f"Replay: FLOWORCH_TEST_SEED={SEED} python -m pytest {path}.py -k {test.__name__}")
        test(*args, **kwargs)

    return noted

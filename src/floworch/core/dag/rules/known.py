"""What the rules know of step types."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from floworch.core.dag.waits.poll import split_poll_inputs
from floworch.core.model.manifest import Compensation, Step
from floworch.core.model.payload import Json

__all__ = ["InputCheck", "KnownTypes", "StepTypes", "known_types"]


InputCheck: TypeAlias = Callable[[Mapping[str, Json], Iterable[str]], Iterable[tuple[str, str]]]
"""From the inputs without expressions, and the names of all, to names and what is wrong with them."""


@dataclass(frozen=True, slots=True)
class KnownTypes:
    """``names`` are the types that have a handler; None where nobody knows, and what depends on it is left out."""

    names: Collection[str] | None = None
    polling: Collection[str] = frozenset()
    """Casefolded types whose handlers poll."""
    missing: Mapping[str, str] = field(default_factory=dict)
    """Casefolded types whose handlers lack something here → what to do about it."""
    checks: Mapping[str, InputCheck] = field(default_factory=dict)
    """Casefolded types whose literal inputs can be checked → how."""

    def polls(self, step: Step | Compensation) -> bool:
        """Whether the poll inputs of the step are settings; where nobody knows, that it has some is taken for a yes."""
        if self.names is None:
            return bool(split_poll_inputs(step.inputs)[0])
        return step.type.casefold() in self.polling


StepTypes: TypeAlias = Collection[str] | KnownTypes | None
"""Types that have a handler, or more than that about them; None leaves out what depends on it."""


def known_types(types: StepTypes) -> KnownTypes:
    """The same, in its long form."""
    return types if isinstance(types, KnownTypes) else KnownTypes(types)

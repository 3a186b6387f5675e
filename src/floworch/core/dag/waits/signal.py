"""What a ``WaitForSignal`` step waits for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from pydantic.alias_generators import to_camel

from floworch.core.dag.waits.payload_schema import PayloadSchema
from floworch.core.expressions import Template, compile_template
from floworch.core.model.payload import Json
from floworch.core.model.signals import DEFAULT_SIGNAL

__all__ = ["SIGNAL_INPUTS", "WAIT_FOR_SIGNAL", "SignalMode", "SignalPlan", "compile_signal_wait", "wire_inputs"]

WAIT_FOR_SIGNAL: Final = "WaitForSignal"
SIGNAL_INPUTS: Final = ("signalName", "signalNames", "mode", "timeoutSeconds", "quorum", "schema")

SignalMode: TypeAlias = Literal["one", "any", "all"]
"""``one``: the step has a ``signalName``. The others are about ``signalNames``."""


@dataclass(frozen=True, slots=True, eq=False)
class SignalPlan:
    """``names`` gives a name or a list of names, ``timeout`` seconds, null or no more than 0 for ever."""

    names: Template
    mode: SignalMode
    timeout: Template
    quorum: int = 1
    """How many signals: of any of the names, or in mode ``all`` of each of them."""
    schema: PayloadSchema | None = None
    """Of the payloads that the step takes; None takes all."""

    @property
    def written_names(self) -> tuple[str, ...]:
        """The names as they stand in the manifest; none where an expression gives them."""
        if not self.names.is_literal:
            return ()
        return (self.names.source,) if self.mode == "one" else tuple(self.names.source)


def compile_signal_wait(inputs: Mapping[str, Json]) -> SignalPlan:
    """From inputs that were checked when their flow was registered."""
    given = wire_inputs(inputs)
    several = given.get("signalNames")
    name = given.get("signalName")
    return SignalPlan(
        names=compile_template(several if several is not None else DEFAULT_SIGNAL if name is None else name),
        mode="one" if several is None else "all" if given.get("mode") == "all" else "any",
        timeout=compile_template(given.get("timeoutSeconds")),
        quorum=given.get("quorum") or 1,
        schema=_schema(given.get("schema")),
    )


def wire_inputs(inputs: Mapping[str, Json]) -> dict[str, Json]:
    """The inputs by their names in JSON; Python's ``signal_name`` is the same as ``signalName``."""
    return {to_camel(name) if "_" in name else name: value for name, value in inputs.items()}


def _schema(source: Json) -> PayloadSchema | None:
    # Compiled, so that "@@" at the beginning of a text is "@" here as everywhere.
    return None if source is None else PayloadSchema(compile_template(source).evaluate(None))

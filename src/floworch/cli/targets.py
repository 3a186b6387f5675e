"""Targets: where on the command line the flows come from."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

from floworch.builder import FlowOrchestratorBuilder
from floworch.cli.errors import TargetError
from floworch.cli.importing import explained, import_application_file, import_application_module
from floworch.core.model.flow import FlowDefinition, FlowLike, as_flow
from floworch.core.model.spelling import nearest
from floworch.orchestrator import FlowOrchestrator

__all__ = ["Target", "load_target"]

_Value: TypeAlias = "FlowOrchestrator | FlowOrchestratorBuilder | tuple[FlowLike, ...]"
_ORCHESTRATORS = (FlowOrchestrator.__name__, FlowOrchestratorBuilder.__name__)
_FORM = "Write MODULE:ATTRIBUTE, such as 'app.flows:orchestrator', or path/to/file.py:ATTRIBUTE."
_EXPECTED = (
    "a FlowOrchestrator, its builder, a flow, a list of flows, or a function without arguments that returns one of them"
)


@dataclass(frozen=True, slots=True)
class Target:
    """A loaded target. ``text`` is what was typed."""

    text: str
    value: _Value

    @property
    def flows(self) -> Sequence[FlowLike]:
        """Its flows, valid or not."""
        return self.value if isinstance(self.value, tuple) else self.value.flows

    def orchestrator(self) -> FlowOrchestrator:
        """The orchestrator, built if the target is a builder. Raises what that raises; TargetError for bare flows."""
        if isinstance(self.value, FlowOrchestrator):
            return self.value
        if isinstance(self.value, FlowOrchestratorBuilder):
            with explained(f"the builder {self.text!r} cannot build"):
                return self.value.build()
        raise TargetError(
            f"{self.text!r} holds {_names_of(self.value)}, without storage, runtime and handlers. This command needs a "
            "FlowOrchestrator or its builder: FlowOrchestrator.builder().use_sqlite('flows.db').use_asyncio_runtime()"
            ".add_flow(...)"
        )


def load_target(text: str) -> Target:
    """Import what ``text`` names. Raises TargetError, and FloworchError as the application's code raises it."""
    place, colon, attribute = text.rpartition(":")
    if not colon or not place or not attribute.replace(".", "_").isidentifier():
        raise TargetError(f"{text!r} is not a target. {_FORM}")
    is_file = place.endswith(".py") or "/" in place or "\\" in place
    module = import_application_file(Path(place)) if is_file else import_application_module(place)
    found = _attribute(module, attribute, place)
    value = _value_of(found)
    if value is None and _is_factory(found):
        with explained(f"{text!r} cannot be called"):
            found = found()
        value = _value_of(found)
    if value is None:
        raise TargetError(f"{text!r} is {_what(found)}. A target is {_EXPECTED}.")
    return Target(text, value)


def _attribute(module: ModuleType, path: str, place: str) -> Any:
    found: Any = module
    for name in path.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            raise TargetError(_no_attribute(found, name, place)) from None
    return found


def _no_attribute(holder: Any, name: str, place: str) -> str:
    public = {known: value for known, value in vars(holder).items() if not known.startswith("_")}
    usable = [known for known, value in public.items() if _is_promising(value)]
    close = nearest(name, [known for known, value in public.items() if known in usable or not _is_ours(value)])
    hint = ""
    if usable:
        hint = f" It has {', '.join(sorted(usable))}."
    if close:
        hint = f" Did you mean {close!r}?" + (hint if usable != [close] else "")
    return f"{place!r} has no attribute {name!r}.{hint}"


def _is_promising(found: Any) -> bool:
    """Whether it is a target, or a function that says that it returns one."""
    if _value_of(found) is not None:
        return True
    returned = getattr(found, "__annotations__", {}).get("return") if inspect.isfunction(found) else None
    name = returned if isinstance(returned, str) else getattr(returned, "__name__", "")
    return name in _ORCHESTRATORS and _is_factory(found)


def _is_ours(found: Any) -> bool:
    """Whether it was only imported from floworch, to write flows with."""
    return str(getattr(found, "__module__", "")).startswith("floworch.")


def _value_of(found: Any) -> _Value | None:
    if isinstance(found, (FlowOrchestrator, FlowOrchestratorBuilder)):
        return found
    if _is_flow(found):
        return (found,)
    if isinstance(found, (list, tuple)) and found and all(map(_is_flow, found)):
        return tuple(found)
    return None


def _is_flow(found: Any) -> bool:
    if isinstance(found, type):
        return issubclass(found, FlowDefinition) and found is not FlowDefinition
    return isinstance(found, FlowDefinition)


def _is_factory(found: Any) -> bool:
    if not callable(found) or isinstance(found, type):
        return False
    required = [
        parameter.name
        for parameter in inspect.signature(found).parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    return not required and not inspect.iscoroutinefunction(found)


def _what(found: Any) -> str:
    if inspect.iscoroutinefunction(found):
        return "an async function, which cannot be called before the event loop runs"
    if inspect.isroutine(found):
        return f"a function with the arguments {inspect.signature(found)}"
    if isinstance(found, type):
        return f"the class {found.__qualname__}"
    if isinstance(found, (list, tuple)):
        return f"a {type(found).__name__} of {', '.join(sorted({type(each).__name__ for each in found})) or 'nothing'}"
    return f"{type(found).__name__} {found!r:.80}"


def _names_of(flows: Sequence[FlowLike]) -> str:
    return "the flow " + ", ".join(repr(as_flow(flow).name) for flow in flows)

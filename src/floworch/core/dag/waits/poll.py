"""What a polling step waits for: its settings, taken out of what its handler gets."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final

from floworch.core.expressions import Condition, Reference, Template, compile_condition, compile_template, text_of
from floworch.core.model.payload import Json
from floworch.core.policy.polling import POLL_SETTINGS, PollSettings

__all__ = ["POLL_CONDITION", "PollPlan", "compile_poll", "has_data", "is_met", "setting_name", "split_poll_inputs"]

POLL_CONDITION: Final = "pollCondition"
_BY_FOLDED_NAME: Final = {name.lower(): name for name in (*POLL_SETTINGS, POLL_CONDITION)}
_RESERVED: Final = re.compile(r"poll(?![a-z])", re.ASCII)


@dataclass(frozen=True, slots=True, eq=False)
class PollPlan:
    """``settings`` are resolved before each poll, and ``condition``, if there is one, decides on its result."""

    settings: Template
    condition: Condition | None

    @property
    def references(self) -> frozenset[Reference]:
        """What the settings read; the condition is only read when there is a result."""
        return self.settings.references


def split_poll_inputs(inputs: Mapping[str, Json]) -> tuple[dict[str, Json], dict[str, Json]]:
    """Settings under their JSON names, and what is left for the handler."""
    settings: dict[str, Json] = {}
    rest: dict[str, Json] = {}
    for key, value in inputs.items():
        name = setting_name(key)
        if name is None:
            rest[key] = value
        else:
            settings[name] = value
    return settings, rest


def setting_name(key: str) -> str | None:
    """JSON name of the setting that an input is; None for an input of the handler.

    Names are matched as those of parameters are. Others that begin with the word ``poll`` are misspelt settings.
    """
    name = _BY_FOLDED_NAME.get(key.replace("_", "").replace("-", "").lower())
    return name or (key if _RESERVED.match(key) else None)


def compile_poll(settings: Mapping[str, Json]) -> PollPlan:
    """Raises ExpressionError for what was not validated."""
    condition = settings.get(POLL_CONDITION)
    values = {name: value for name, value in settings.items() if name in POLL_SETTINGS}
    return PollPlan(compile_template(values), None if condition is None else compile_condition(_text(condition)))


def is_met(settings: PollSettings, result: Json) -> bool:
    """Whether a result is what the step waits for, as far as path and value say so."""
    found = result if settings.condition_path is None else _at(result, settings.condition_path)
    if settings.condition_equals is None:
        return has_data(found)
    return found is not None and _equals(found, settings.condition_equals)


def has_data(value: Json) -> bool:
    """Not null, false, 0, ``""``, ``[]`` or ``{}``."""
    return bool(value)


def _text(condition: Json) -> str:
    return condition if isinstance(condition, str) else text_of(condition)


def _at(value: Json, path: str) -> Json:
    """``a.b.0.c`` or ``a.b[0].c``; null where it leads nowhere."""
    for part in path.replace("[", ".").replace("]", "").split("."):
        name = part.strip()
        if isinstance(value, Mapping):
            value = value.get(name)
        elif isinstance(value, Sequence) and not isinstance(value, str) and name.isdecimal():
            value = value[int(name)] if int(name) < len(value) else None
        else:
            return None
    return value


def _equals(found: Json, wanted: Json) -> bool:
    numbers = _number(found), _number(wanted)
    if None not in numbers and not (isinstance(found, str) and isinstance(wanted, str)):
        return numbers[0] == numbers[1]
    return text_of(found).casefold() == text_of(wanted).casefold()


def _number(value: Json) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal, str)):
        return None
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() else None

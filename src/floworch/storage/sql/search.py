"""Finding runs by their tags, and by what their failed steps say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Select, exists, or_

from floworch.core.model.status import StepStatus
from floworch.storage.sql.tables import Tables

__all__ = ["has_failed_with", "with_tags"]

_WILDCARDS = re.compile(r"[%_\[/]")


def with_tags(question: Select[*tuple[Any, ...]], tables: Tables, tags: Mapping[str, str]) -> Select[*tuple[Any, ...]]:
    """The question about runs, of those that have all the tags: one of these leads to them, newest first, in the order
    of the table of tags. A name that no other run is likely to share should come first."""
    (name, value), *others = tags.items()
    tag, run = tables.run_tag, tables.run
    question = question.join_from(tag, run, tag.c.run_id == run.c.id).where(tag.c.name == name, tag.c.value == value)
    for name, value in others:
        other = tag.alias()
        question = question.where(
            exists().where(other.c.run_id == tag.c.run_id, other.c.name == name, other.c.value == value)
        )
    return question


def has_failed_with(tables: Tables, text: str) -> ColumnElement[bool]:
    """Whether a step of the run has failed, and the message or the type of its error holds the text.

    The type of an error that was too long for its row is not looked at.
    """
    step = tables.step.c
    words = _WILDCARDS.sub(r"/\g<0>", text)
    in_message = step.reason.ilike(f"%{words}%", escape="/")
    # As errors are written: in JSON text, no string has an unescaped quote in it.
    in_type = step.error.ilike(f'{{"type":"%{words}%","message":%', escape="/")
    has_failed = step.status == StepStatus.FAILED.value
    return exists().where(step.run_id == tables.run.c.id, has_failed, or_(in_message, in_type))

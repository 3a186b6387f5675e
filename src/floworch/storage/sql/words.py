"""Many words in one parameter: a list of parameters has an end in every database."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

__all__ = ["is_none_of"]


def is_none_of(column: ColumnElement[Any], words: Iterable[str]) -> ColumnElement[bool]:
    """Whether the column, which must have a value, is none of the words, however many there are."""
    return column.op("NOT IN", is_comparison=True)(_Words(json.dumps(sorted(words), ensure_ascii=False)))


class _Words(FunctionElement[Any]):
    """The texts of a JSON array, as rows."""

    name = "words"
    inherit_cache = True


@compiles(_Words, "sqlite")
def _of_sqlite(words: _Words, compiler: Any, **more: Any) -> str:
    return f"(SELECT value FROM json_each{compiler.process(words.clause_expr, **more)})"


@compiles(_Words, "postgresql")
def _of_postgresql(words: _Words, compiler: Any, **more: Any) -> str:
    return f"(SELECT jsonb_array_elements_text(CAST({compiler.process(words.clauses, **more)} AS jsonb)))"


@compiles(_Words, "mssql")
def _of_mssql(words: _Words, compiler: Any, **more: Any) -> str:
    word = "word COLLATE Latin1_General_100_BIN2"
    return f"(SELECT {word} FROM OPENJSON{compiler.process(words.clause_expr, **more)} WITH (word NVARCHAR(4000) '$'))"

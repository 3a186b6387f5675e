"""The store's statements on connections of other drivers than its own."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, event

__all__ = ["in_words_of_driver", "numbered"]

_PLACEHOLDER = re.compile(r"%s(::\w[\w ]*\[\])?")


@contextmanager
def in_words_of_driver(connection: Connection) -> Iterator[None]:
    """Inside it, statements with ``%s`` work on the connection."""
    if not connection.dialect.paramstyle.startswith("numeric"):
        yield
        return
    event.listen(connection, "before_cursor_execute", _reword, retval=True)
    try:
        yield
    finally:
        event.remove(connection, "before_cursor_execute", _reword)


def numbered(statement: str) -> str:
    """``%s`` becomes ``$1``, ``$2``, ...; arrays, which are written as literals, are declared to be text: asyncpg would
    take only lists for them."""
    numbers = itertools.count(1)
    return _PLACEHOLDER.sub(lambda found: f"${next(numbers)}{'::text' + found[1] if found[1] else ''}", statement)


def _reword(
    connection: Connection, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool
) -> tuple[str, Any]:
    return numbered(statement), parameters

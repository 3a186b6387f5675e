"""Texts as literals of PostgreSQL arrays."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from sqlalchemy import Column

from floworch.storage.sql.dialects.postgresql_arrays import array_writer
from floworch.storage.sql.types import Document


@pytest.mark.parametrize(
    ("values", "literal"),
    [
        (["a"], '{"a"}'),
        (["a", "b"], '{"a","b"}'),
        (["", ""], '{"",""}'),
        (["NULL", None], '{"NULL",NULL}'),
        ([None, None], "{NULL,NULL}"),
        (['say "hi"', "C:\\"], r'{"say \"hi\"","C:\\"}'),
        (['say "hi"', None, "C:\\"], r'{"say \"hi\"",NULL,"C:\\"}'),
        (["a,b", "{c}"], '{"a,b","{c}"}'),
    ],
)
def test_texts_are_quoted_one_by_one(values: Sequence[str | None], literal: str) -> None:
    write = array_writer(Column("words", Document))

    assert write(values) == literal


def test_a_character_that_no_server_takes_does_not_make_two_texts_of_one() -> None:
    write = array_writer(Column("words", Document))

    assert write(["a\0b", "c"]) == '{"a\0b","c"}'

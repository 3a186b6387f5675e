"""Values as literals of PostgreSQL arrays."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from sqlalchemy import Column, Integer

from floworch.storage.sql.dialects.postgresql_arrays import array_writer
from floworch.storage.sql.types import Document, Id


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


@pytest.mark.parametrize(
    ("values", "literal"),
    [
        ((1,), "{1}"),
        ((1, -2), "{1, -2}"),
        ((None, 3, None), "{NULL, 3, NULL}"),
        ((0.1, 1e-07, None), "{0.1, 1e-07, NULL}"),
    ],
)
def test_numbers_are_in_words_that_the_server_reads(values: Sequence[float | None], literal: str) -> None:
    assert array_writer(Column("numbers", Integer))(values) == literal


def test_ids_need_no_quotes() -> None:
    write = array_writer(Column("ids", Id))

    assert (write(("a-1", "b-2")), write(("a-1", None))) == ("{a-1,b-2}", "{a-1,NULL}")


def test_a_character_that_no_server_takes_does_not_make_two_texts_of_one() -> None:
    write = array_writer(Column("words", Document))

    assert write(["a\0b", "c"]) == '{"a\0b","c"}'

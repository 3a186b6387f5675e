"""Statements in the words of other drivers."""

from __future__ import annotations

import pytest

from floworch.storage.sql.dialects.postgresql_drivers import numbered


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("SELECT 1", "SELECT 1"),
        ("SELECT pg_notify(%s, %s)", "SELECT pg_notify($1, $2)"),
        ("FROM unnest(%s::uuid[], %s::text[])", "FROM unnest($1::text::uuid[], $2::text::text[])"),
        ("unnest(%s::double precision[]) WHERE a = $1", "unnest($1::text::double precision[]) WHERE a = $1"),
    ],
)
def test_placeholders_are_numbered_and_arrays_are_text(statement: str, expected: str) -> None:
    assert numbered(statement) == expected

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floworch.cli.words import duration_words, plural, short


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-1, "0.00 s"),
        (0, "0.00 s"),
        (0.254, "0.25 s"),
        (9.94, "9.94 s"),
        (9.96, "10.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 00 s"),
        (245, "4 min 05 s"),
        (3599.6, "1 h 00 min"),
        (7_380, "2 h 03 min"),
        (86_399, "23 h 59 min"),
        (273_600, "3 d 04 h"),
    ],
)
def test_durations_have_few_digits(seconds: float, words: str) -> None:
    assert duration_words(timedelta(seconds=seconds)) == words


@given(st.text(max_size=300))
def test_a_short_text_is_one_line_of_limited_length(text: str) -> None:
    assert len(short(text, 40)) <= 40
    assert len(short(text, 40).splitlines()) <= 1


def test_only_one_is_singular() -> None:
    assert [plural(count, "run") for count in (0, 1, 2)] == ["0 runs", "1 run", "2 runs"]

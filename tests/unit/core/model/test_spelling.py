from __future__ import annotations

import pytest

from floworch.core.model.spelling import did_you_mean, nearest


@pytest.mark.parametrize(
    ("word", "choices", "expected"),
    [
        ("LogMesage", ["LogMessage", "Delay"], "LogMessage"),
        ("LOGMESSAGE", ["LogMessage", "Delay"], "LogMessage"),
        ("zzz", ["LogMessage", "Delay"], None),
        ("a", [], None),
    ],
)
def test_the_nearest_word_is_found_whatever_its_case(word: str, choices: list[str], expected: str | None) -> None:
    assert nearest(word, choices) == expected


def test_a_suggestion_can_be_appended_to_a_message() -> None:
    assert did_you_mean("dely", ["delay"]) == " Did you mean 'delay'?"
    assert did_you_mean("zzz", ["delay"]) == ""

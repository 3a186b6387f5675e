"""The reference page of expressions is true and complete."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from floworch.core.expressions import compile_template, limits
from floworch.core.expressions.functions import FUNCTIONS
from floworch.core.expressions.sources import ROOTS
from floworch.errors import ExpressionError
from tests.unit.core.expressions.environment import ValuesEnvironment

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "expressions.md").read_text(encoding="utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Example:
    source: str
    expected: str


def _examples() -> Iterator[Example]:
    for line in "".join(_blocks("expressions")).splitlines():
        source, arrow, expected = line.partition(" => ")
        assert arrow, f"no => in {line!r}"
        yield Example(source.rstrip(), expected)


def _environment() -> ValuesEnvironment:
    facts: dict[str, Any] = json.loads(_blocks("json")[0])
    steps, loops = facts["steps"], facts["loops"]
    innermost = loops["lines"]
    return ValuesEnvironment(
        body=facts["body"],
        headers=facts["headers"],
        trigger_facts=facts["trigger"],
        run_facts=facts["run"],
        flow_facts=facts["flow"],
        outputs={key: step["output"] for key, step in steps.items() if "output" in step},
        statuses={key: step["status"] for key, step in steps.items()},
        errors={key: step["error"] for key, step in steps.items() if "error" in step},
        items={None: innermost["item"], **{key: loop["item"] for key, loop in loops.items()}},
        indexes={None: innermost["index"], **{key: loop["index"] for key, loop in loops.items()}},
        variables=facts["env"],
        polled=facts["result"],
        failed=facts["failure"],
        now=datetime.fromisoformat(facts["now"]),
    )


@pytest.mark.parametrize("example", list(_examples()), ids=lambda example: example.source[:60])
def test_an_example_gives_what_the_page_says(example: Example) -> None:
    kind, _, message = example.expected.partition("error: ")
    if message and not kind:
        with pytest.raises(ExpressionError, match=re.escape(message)):
            compile_template(example.source).resolve(_environment())
    else:
        assert compile_template(example.source).resolve(_environment()) == json.loads(example.expected)


def test_the_python_example_runs() -> None:
    (code,) = _blocks("python")

    exec(compile(code, "expressions.md", "exec"), {})


def test_every_function_is_described_and_has_an_example() -> None:
    examples = " ".join(example.source for example in _examples())

    assert [name.usage for name in FUNCTIONS.values() if f"`{name.usage}`" not in PAGE] == []
    assert [name.name for name in FUNCTIONS.values() if f"{name.name}(" not in examples] == []


def test_every_reference_is_described_and_has_an_example() -> None:
    examples = " ".join(example.source for example in _examples())

    assert [root.name for root in ROOTS.values() if f"`{root.name}(" not in PAGE] == []
    assert [root.name for root in ROOTS.values() if f"{root.name}(" not in examples] == []


def test_every_limit_is_named() -> None:
    for limit in (
        limits.MAX_EXPRESSION_CHARS,
        limits.MAX_EXPRESSION_LEVELS,
        limits.MAX_JSON_LEVELS,
        limits.MAX_NUMBER_DIGITS,
        limits.MAX_RANGE_ITEMS,
    ):
        assert re.search(rf"\b{limit:,}\b", PAGE), f"{limit:,} is not on the page"

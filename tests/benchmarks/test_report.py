from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.readme import README, with_figures
from benchmarks.report import number, show, write_json
from benchmarks.rounds import Measured
from benchmarks.workload import WORKLOADS

RESULTS = {"W1": {"floworch-memory": Measured({"runs_per_second": [10.0, 30.0]}), "asyncio": Measured(failure="why")}}


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "–"), (0.04567, "0.046"), (1.234, "1.23"), (12.34, "12.3"), (1234.5, "1,234"), (0.0, "0.000")],
)
def test_numbers_have_about_three_digits(value: float | None, shown: str) -> None:
    assert number(value) == shown


def test_the_table_shows_medians_spread_and_failures() -> None:
    text = StringIO()
    show(Console(file=text, width=120), [WORKLOADS["W1"]], RESULTS, {"machine": "a good one"})

    ours = next(line for line in text.getvalue().splitlines() if "floworch-memory" in line)
    assert "20.0" in ours
    assert "10.0–30.0" in ours
    assert "failed, see above" in text.getvalue()
    assert "machine: a good one" in text.getvalue()


def test_the_table_of_targets_shows_what_is_divided_by_what() -> None:
    text = StringIO()
    results = {
        "W1": {
            "floworch-memory": Measured({"runs_per_second": [30.0]}),
            "asyncio": Measured({"runs_per_second": [100.0]}),
        }
    }
    show(Console(file=text, width=120), [], results, {})

    (line,) = [line for line in text.getvalue().splitlines() if line.startswith("│ W1")]
    assert [cell.strip() for cell in line.strip("│").split("│")] == [
        "W1",
        "floworch-memory runs/s",
        "asyncio",
        "0.300",
        "≥ 0.2 yes",
        "≥ 0.5 no",
    ]


def test_the_file_holds_every_round(tmp_path: Path) -> None:
    write_json(tmp_path / "all.json", RESULTS, {"machine": "m"})

    written = json.loads((tmp_path / "all.json").read_text(encoding="utf-8"))
    assert written["results"]["W1"]["floworch-memory"]["figures"]["runs_per_second"] == [10.0, 30.0]
    assert written["results"]["W1"]["asyncio"]["failure"] == "why"


def test_the_readme_has_a_place_for_the_figures() -> None:
    page = with_figures(README.read_text(encoding="utf-8"), "fresh figures  \n")

    assert "```text\nfresh figures\n```" in page
    assert with_figures(page, "fresh figures") == page


def test_a_page_without_that_place_is_refused() -> None:
    with pytest.raises(ValueError, match="has no"):
        with_figures("nothing here", "x")

"""Read the file."""

from __future__ import annotations

import csv
from pathlib import Path

from floworch import step_handler

__all__ = ["DATASET", "extract"]

DATASET = Path(__file__).resolve().parents[1] / "data" / "seattle-weather.csv"


@step_handler("ReadCsv")
def extract(path: Path | None = None) -> list[dict[str, str]]:
    """Rows of a CSV file as text, by column; of the data set that comes with the example unless a path is given."""
    with (path or DATASET).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))

"""A file that grows past a screenful of screenfuls has a seam in it."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median

from tests.architecture.sources import ROOT, source_files

LIMIT_LINES = 500
"""Most files have 80 to 250 lines; past this one, look for the second responsibility."""


def test_no_source_file_is_longer_than_the_limit(record_figure: Callable[[str], None]) -> None:
    lengths = {source.path.relative_to(ROOT).as_posix(): source.text.count("\n") for source in source_files()}
    longest = sorted(lengths.items(), key=lambda item: item[1], reverse=True)
    record_figure(f"source files: {len(lengths)}, median {median(filter(None, lengths.values())):.0f} lines, longest:")
    for path, lines in longest[:5]:
        record_figure(f"  {lines:5} {path}")

    assert [f"{path}: {lines} lines" for path, lines in longest if lines > LIMIT_LINES] == []

"""Keeps the figures of the last whole run in the README."""

from __future__ import annotations

from pathlib import Path

__all__ = ["README", "keep_figures", "with_figures"]

README = Path(__file__).with_name("README.md")
_BEGIN = "<!-- figures: written by `python -m benchmarks --keep` -->"
_END = "<!-- end of figures -->"


def keep_figures(figures: str) -> None:
    """Put the figures into the README in place of the ones there."""
    README.write_text(with_figures(README.read_text(encoding="utf-8"), figures), encoding="utf-8")


def with_figures(page: str, figures: str) -> str:
    """The page with other figures between its two marks. Raises ValueError when it has no such place."""
    before, begin, rest = page.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise ValueError(f"the page has no {_BEGIN} followed by {_END}")
    block = "\n".join(line.rstrip() for line in figures.strip().splitlines())
    return f"{before}{begin}\n\n```text\n{block}\n```\n\n{end}{after}"

"""The programs in the tutorial and the how-to pages run and print what the pages say."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.programs import Block, blocks_of, commands_of, matches, run, write

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = sorted([*(DOCS / "tutorial").glob("*.md"), *(DOCS / "how-to").glob("*.md")])
IDS = [page.relative_to(DOCS).as_posix() for page in PAGES]


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_what_a_page_tells_to_type_prints_what_it_says(page: Path, tmp_path: Path) -> None:
    for block in blocks_of(page.read_text(encoding="utf-8")):
        if block.title is not None:
            write(block, tmp_path)
        if block.language == "console":
            check(block, page, tmp_path)


def check(block: Block, page: Path, folder: Path) -> None:
    for command in commands_of(block):
        if command.arguments[0] == "python":
            printed = run(command, folder)
            assert matches(printed, command.expected), f"{page.name}:{block.line}: {command.arguments}\n{printed}"


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_other_piece_of_python_can_be_parsed(page: Path) -> None:
    for block in blocks_of(page.read_text(encoding="utf-8")):
        if block.language == "python":
            compile(block.text, f"{page.name}:{block.line}", "exec", dont_inherit=True)


def test_every_page_of_the_tutorial_but_its_index_has_a_program() -> None:
    without = [
        page.name
        for page in PAGES
        if page.parent.name == "tutorial"
        and page.name != "index.md"
        and '```python title="' not in page.read_text("utf-8")
    ]

    assert without == []


@pytest.mark.parametrize(
    ("printed", "expected", "fits"),
    [
        ("a\nb\n", "a\nb", True),
        ("a  \nb", "a\nb", True),
        ("a\nx\ny\nb", "a\n...\nb", True),
        ("run 17 ended", "run ... ended", True),
        ("a\nb", "a", False),
        ("a.b", "a+b", False),
    ],
)
def test_expected_output_is_compared_exactly_but_for_dots(printed: str, expected: str, fits: bool) -> None:
    assert matches(printed, expected) is fits


def test_blocks_with_one_title_make_one_file(tmp_path: Path) -> None:
    start, more = '```python title="a.py"\nx = 1\n```\n', '```python title="a.py"\nprint(x)\n```\n'
    page = f"{start}text\n{more}```console\n$ python a.py\n1\n```\n"
    first, second, commands = blocks_of(page)

    write(first, tmp_path)
    write(second, tmp_path)

    assert (tmp_path / "a.py").read_text(encoding="utf-8") == "x = 1\n\n\nprint(x)\n"
    (command,) = commands_of(commands)
    assert run(command, tmp_path) == command.expected
    assert [block.line for block in (first, second, commands)] == [2, 6, 9]

"""What the steps do. The catalogue and the shelf are held in memory here; they would be a web service and a table."""

from __future__ import annotations

from floworch import NonRetryable, StepContext, step_handler

__all__ = ["CATALOG", "Shelf", "fetch_page", "find_cover", "list_titles", "save_books"]

CATALOG = ("Emma", "Dracula", "Ulysses", "Dubliners", "Persuasion")
_PER_PAGE = 2
_WITHOUT_COVER = "Dubliners"


class Shelf:
    """Where the books go. A dict: a step may run more than once, and saving a book twice must change nothing."""

    def __init__(self) -> None:
        self.books: dict[str, None] = {}


@step_handler("FetchPage")
def fetch_page(page: int) -> dict[str, object]:
    """A page, and the number of the next one."""
    first = page * _PER_PAGE
    is_last = first + _PER_PAGE >= len(CATALOG)
    return {"books": CATALOG[first : first + _PER_PAGE], "next": None if is_last else page + 1}


@step_handler("SaveBooks")
def save_books(ctx: StepContext, books: list[str]) -> int:
    """Answers how many books are on the shelf now."""
    shelf = ctx.service(Shelf)
    shelf.books.update(dict.fromkeys(books))
    return len(shelf.books)


@step_handler("ListTitles")
def list_titles(ctx: StepContext) -> list[str]:
    """What is on the shelf, in the order in which it came."""
    return list(ctx.service(Shelf).books)


@step_handler("FindCover")
def find_cover(title: str) -> str:
    """Name of a picture. There is none of one book, and no repetition would find it."""
    if title == _WITHOUT_COVER:
        raise NonRetryable(f"there is no cover of {title}")
    return f"{title.lower()}.png"

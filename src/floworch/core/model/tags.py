"""What tags of runs may be: a few short words under short names, so that runs can be found by them."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["LONGEST_TAG_NAME", "LONGEST_TAG_VALUE", "MAX_TAGS", "tag_fault", "tag_name_fault", "too_many_tags"]

MAX_TAGS = 20
LONGEST_TAG_NAME = 100
LONGEST_TAG_VALUE = 200


def tag_fault(name: str, value: str) -> str | None:
    """What is wrong with a tag of a run; None when all is well."""
    return tag_name_fault(name) or _value_fault(name, value)


def tag_name_fault(name: object) -> str | None:
    """What is wrong with the name of a tag; None when all is well."""
    if not isinstance(name, str) or not name or len(name) > LONGEST_TAG_NAME:
        return f"the name of a tag is text of 1 to {LONGEST_TAG_NAME} characters, not {name!r:.120}"
    if name != name.strip() or not name.isprintable() or "=" in name:
        return f"the name of a tag has no '=', no space at its ends, and nothing that cannot be printed; got {name!r}"
    return None


def too_many_tags(tags: Mapping[str, object]) -> str | None:
    """What is wrong with the number of tags; None when all is well."""
    return f"a run has at most {MAX_TAGS} tags, not {len(tags)}" if len(tags) > MAX_TAGS else None


def _value_fault(name: str, value: str) -> str | None:
    if len(value) > LONGEST_TAG_VALUE:
        return f"the tag {name!r} has {len(value)} characters; at most {LONGEST_TAG_VALUE} are allowed"
    if "\0" in value or value != value.encode("utf-8", "replace").decode():
        return f"the tag {name!r} holds NUL or half a character: {value!r:.120}"
    return None

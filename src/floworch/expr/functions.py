"""The function library; names that Python has itself end with an underscore."""

from __future__ import annotations

from floworch.expr.expression import Expr, Operand, call_function

__all__ = [
    "add_seconds",
    "and_",
    "coalesce",
    "concat",
    "contains",
    "ends_with",
    "equals",
    "first",
    "float_",
    "format_date_time",
    "if_",
    "int_",
    "join",
    "json",
    "last",
    "length",
    "lower",
    "not_",
    "or_",
    "range_",
    "split",
    "starts_with",
    "string",
    "trim",
    "upper",
    "utc_now",
]


def coalesce(*values: Operand) -> Expr:
    """The first value that is not null."""
    return call_function("coalesce", *values)


def concat(*values: Operand) -> Expr:
    """The values as one text."""
    return call_function("concat", *values)


def length(value: Operand) -> Expr:
    """Number of characters, items or members."""
    return call_function("length", value)


def contains(value: Operand, part: Operand) -> Expr:
    """Whether a text, array or object has that part, item or member."""
    return call_function("contains", value, part)


def starts_with(text: Operand, prefix: Operand) -> Expr:
    """Whether the text begins with the prefix."""
    return call_function("startsWith", text, prefix)


def ends_with(text: Operand, suffix: Operand) -> Expr:
    """Whether the text ends with the suffix."""
    return call_function("endsWith", text, suffix)


def lower(text: Operand) -> Expr:
    """The text in lower case."""
    return call_function("lower", text)


def upper(text: Operand) -> Expr:
    """The text in upper case."""
    return call_function("upper", text)


def trim(text: Operand) -> Expr:
    """The text without white space around it."""
    return call_function("trim", text)


def int_(value: Operand) -> Expr:
    """The whole number that a text or number is."""
    return call_function("int", value)


def float_(value: Operand) -> Expr:
    """The number that a text or number is."""
    return call_function("float", value)


def string(value: Operand) -> Expr:
    """The value as text."""
    return call_function("string", value)


def json(text: Operand) -> Expr:
    """The value that a JSON text writes."""
    return call_function("json", text)


def first(value: Operand) -> Expr:
    """First item or character."""
    return call_function("first", value)


def last(value: Operand) -> Expr:
    """Last item or character."""
    return call_function("last", value)


def join(array: Operand, separator: Operand) -> Expr:
    """The items as one text with the separator between them."""
    return call_function("join", array, separator)


def split(text: Operand, separator: Operand) -> Expr:
    """The parts of the text between separators."""
    return call_function("split", text, separator)


def range_(start: Operand, count: Operand) -> Expr:
    """``count`` whole numbers from ``start`` on."""
    return call_function("range", start, count)


def utc_now(*layout: Operand) -> Expr:
    """The current time as text, in ISO 8601 or the given layout."""
    return call_function("utcNow", *layout)


def add_seconds(time: Operand, seconds: Operand) -> Expr:
    """The time that many seconds later."""
    return call_function("addSeconds", time, seconds)


def format_date_time(time: Operand, layout: Operand) -> Expr:
    """The time in a layout of ``strftime`` codes."""
    return call_function("formatDateTime", time, layout)


def if_(condition: Operand, then: Operand, otherwise: Operand) -> Expr:
    """One of two values."""
    return call_function("if", condition, then, otherwise)


def and_(*conditions: Operand) -> Expr:
    """Whether all conditions hold."""
    return call_function("and", *conditions)


def or_(*conditions: Operand) -> Expr:
    """Whether one of the conditions holds."""
    return call_function("or", *conditions)


def not_(condition: Operand) -> Expr:
    """Whether the condition does not hold."""
    return call_function("not", condition)


def equals(left: Operand, right: Operand) -> Expr:
    """Whether two values are the same."""
    return call_function("equals", left, right)

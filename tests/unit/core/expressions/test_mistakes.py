"""What does not parse: where the mistake is, and what the message says about it."""

from __future__ import annotations

import pytest

from floworch.core.expressions import compile_condition, compile_template
from floworch.core.expressions.limits import MAX_EXPRESSION_CHARS, MAX_EXPRESSION_LEVELS, MAX_VALUE_LEVELS
from floworch.errors import ExpressionError
from tests.unit.core.expressions.environment import ValuesEnvironment

MISTAKES = [
    ("@triggerBdy()", 1, "there is no function 'triggerBdy'; did you mean 'triggerBody()'?"),
    ("@lenght('x')", 1, "did you mean 'length()'?"),
    ("@qqqqqq()", 1, "there is no function 'qqqqqq'"),
    ("@steps('x').outptu", 12, "did you mean '.output'?"),
    ("@steps('x').Output", 12, "did you mean '.output'?"),
    ("@steps('x')", 11, "steps('x') is followed by .output, .status or .error"),
    ("@steps('x')[0]", 12, "a step has no '0'"),
    ("@steps('x').status.a", 19, "a status is text; nothing may follow it"),
    ("@steps('x').error.mesage", 18, "did you mean '.message'?"),
    ("@steps('x').error.type.x", 23, "this is text; nothing may follow it"),
    ("@steps('x').error[0]", 18, "an error has no '0'"),
    ("@Steps(x)", 7, "steps() takes a key in quotes: steps('key')"),
    ("@steps()", 7, "steps() takes a key in quotes"),
    ("@steps('')", 7, "steps() takes a key in quotes"),
    ("@steps('a', 'b').output", 10, "')' is expected after the key of steps()"),
    ("@steps(concat('a', 'b')).output", 7, "steps() takes a key in quotes"),
    ("@(steps('a')).output", 12, "steps('a') is followed by"),
    ("@triggerBody('x')", 13, "triggerBody() takes nothing in its parentheses"),
    ("@triggerBody", 1, "'triggerBody' needs parentheses: triggerBody()"),
    ("@length", 1, "'length' needs parentheses: length(value)"),
    ("@triggerHeaders()[0]", 18, "headers are read by name"),
    ("@triggerHeaders()['a'].b", 23, "a header is text; nothing may follow it"),
    ("@index().x", 9, "an index is a number; nothing may follow it"),
    ("@item(0)", 6, "item() takes a key in quotes: item() or item('loop')"),
    ("@triggerBody().", 15, "a name is expected here"),
    ("@triggerBody().0", 15, "list items [0]"),
    ("@triggerBody()?a", 14, "a question mark stands only before"),
    ("@triggerBody()[-1]", 15, "brackets hold a whole number from 0 on"),
    ("@triggerBody()[1.5]", 15, "brackets hold a whole number"),
    ("@triggerBody()[x]", 15, "brackets hold a whole number"),
    ("@triggerBody()[0", 16, "']' is expected to close the bracket"),
    ("@triggerBody()['a]", 15, "never closed by '"),
    ("@triggerBody() junk", 15, "should end or go on with an operator here, not with 'junk'"),
    ("@triggerBody()x", 14, "not with 'x'"),
    ("@'a' 'b'", 5, "not with ''b''"),
    ("@'a'.b", 4, "not with '.'"),
    ("@(1 == 1", 8, "')' is expected to close the parenthesis"),
    ("@1 == 1)", 7, "not with ')'"),
    ("@1 == 2 == 3", 8, "comparisons cannot be chained; join two with &&"),
    ("@1 < 2 < 3", 7, "comparisons cannot be chained"),
    ("@true == !false", 9, "a negation inside a comparison is put in parentheses"),
    ("@1 = 1", 3, "a comparison is written =="),
    ("@true & true", 6, "'and' is written &&"),
    ("@true | true", 6, "'or' is written ||"),
    ("@true and true", 6, "unexpected 'and'; write &&"),
    ("@not true", 1, "'not' needs parentheses: not(condition)"),
    ("@1 + 1", 3, "there is no arithmetic"),
    ("@1 -1", 3, "not with '-1'"),
    ("@1 ==", 5, "a value is expected here, not the end"),
    ("@== 1", 1, "a value is expected here, not '=='"),
    ("@&& true", 1, "a value is expected here, not '&&'"),
    ("@concat('a',)", 12, "a value is expected here, not ')'"),
    ("@concat('a' 'b')", 12, "')' is expected or ',' in the arguments of concat()"),
    ("@concat(", 8, "a value is expected here, not the end"),
    ("@concat()", 1, "concat() takes 1 or more arguments, not 0: concat(value, ...)"),
    ("@if(true, 1)", 1, "if() takes 3 arguments, not 2: if(condition, then, else)"),
    ("@length('a', 'b')", 1, "length() takes 1 argument, not 2"),
    ("@utcNow('a', 'b')", 1, "utcNow() takes 0 to 1 arguments, not 2"),
    ("@1.2.3", 1, "'1.2.3' is not a number"),
    ("@1.", 1, "'1.' is not a number"),
    ("@12abc", 1, "'12abc' is not a number"),
    ("@1e", 1, "'1e' is not a number"),
    ("@1e99999999999999999999", 1, "the exponent of the number is too large"),
    ("@" + "9" * 5000, 1, "a number may have at most 4000 digits, this one has 5000"),
    ("@'a", 1, "the text that starts here is never closed by '"),
    ("@'C:\\dir'", 4, "unknown escape '\\d' in quoted text"),
    ("@'\\u12'", 2, "unknown escape '\\u'"),
    ("@'\\ud83d'", 1, "half of a surrogate pair"),
    ("@‘a’", 1, "text is put in straight quotes"),
    ("@{item()", 0, "the '@{' is never closed by '}'; if it is meant as text, write '@@{'"),
    ("a @{}", 4, "the expression is empty"),
    ("a @{item() item()}", 11, "should end or go on with an operator"),
    ("a @{@@item()}", 4, "inside an expression a reference has one @, not two"),
    ("@concat(@@item())", 8, "inside an expression a reference has one @, not two"),
    ("@concat(@ item())", 8, "an @ stands directly before a reference or function"),
    ("@concat(@'a')", 8, "an @ stands directly before a reference or function"),
]


@pytest.mark.parametrize(("source", "position", "message"), MISTAKES, ids=lambda value: str(value)[:40])
def test_a_mistake_is_found_where_it_is(source: str, position: int, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_template(source)

    assert message in caught.value.reason
    assert (caught.value.position, caught.value.expression) == (position, source)


PROSE = ["@here please look", "@john", "@ home", "@item of the day", "@todo(me): write"]


@pytest.mark.parametrize("text", PROSE)
def test_a_text_that_starts_with_an_at_is_told_how_to_stay_a_text(text: str) -> None:
    with pytest.raises(ExpressionError, match="for plain text write @@ there"):
        compile_template(text)

    assert compile_template(f"@{text}").resolve(ValuesEnvironment()) == text


def test_a_broken_expression_that_cannot_be_prose_is_not_told_so() -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_template("@length(1, 2)")

    assert "plain text" not in caught.value.reason


def test_the_message_shows_the_line_with_a_caret_below_the_mistake() -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_template("first line\nthen @{foo()}\nlast line")

    assert str(caught.value).splitlines()[1:] == ["  then @{foo()}", "         ^"]


def test_the_message_shows_only_the_surroundings_of_a_mistake_in_a_long_line() -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_template("<p>" * 10_000 + "@{foo()}" + "</p>" * 10_000)

    _, line, caret = str(caught.value).splitlines()
    assert len(line) < 200
    assert line[caret.index("^") :].startswith("foo()}")


@pytest.mark.parametrize("source", ["@@triggerBody()", "hello", "@", "a @{item()}"])
def test_a_condition_is_always_an_expression(source: str) -> None:
    with pytest.raises(ExpressionError):
        compile_condition(source)


def test_a_condition_names_its_path() -> None:
    with pytest.raises(ExpressionError, match=r"^steps\.a\.when: there is no function 'foo'"):
        compile_condition("foo()", "steps.a.when")


NESTED = [
    ("(", "true", ")"),
    ("!", "true", ""),
    ("not(", "true", ")"),
    ("first(", "'a'", ")"),
]


@pytest.mark.parametrize(("opening", "core", "closing"), NESTED)
def test_nesting_is_limited(opening: str, core: str, closing: str) -> None:
    allowed = MAX_EXPRESSION_LEVELS - 1

    compile_template(f"@{opening * allowed}{core}{closing * allowed}").resolve(ValuesEnvironment())
    for count in (MAX_EXPRESSION_LEVELS, 10_000):
        with pytest.raises(ExpressionError, match=r"nested deeper than 100 levels|at most 32,768"):
            compile_template(f"@{opening * count}{core}{closing * count}")


def test_a_long_chain_is_not_deep() -> None:
    assert compile_condition(" && ".join(["true"] * 3000)).evaluate(ValuesEnvironment()).result
    assert compile_condition(" || ".join(["false"] * 3000) + " || true").evaluate(ValuesEnvironment()).result


def test_the_length_of_one_expression_is_limited_but_not_that_of_the_text_around_it() -> None:
    with pytest.raises(ExpressionError, match="at most 32,768 are allowed"):
        compile_template("@'" + "x" * MAX_EXPRESSION_CHARS + "'")
    with pytest.raises(ExpressionError, match="at most 32,768 are allowed"):
        compile_template("@{'" + "x" * MAX_EXPRESSION_CHARS + "'}")

    long_text = "x" * MAX_EXPRESSION_CHARS
    assert compile_template(long_text + "@{1}" + long_text).resolve(ValuesEnvironment()) == f"{long_text}1{long_text}"


def test_a_value_that_is_nested_too_deeply_or_holds_itself_is_refused() -> None:
    endless: list[object] = ["@item()"]
    endless.append(endless)

    with pytest.raises(ExpressionError, match=f"nested deeper than {MAX_VALUE_LEVELS} levels"):
        compile_template(endless, "inputs")

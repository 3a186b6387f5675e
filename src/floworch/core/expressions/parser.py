"""Parses expressions. One grammar serves conditions, whole values and the ``@{...}`` of texts::

    expression  = conjunction { "||" conjunction }
    conjunction = negation { "&&" negation }
    negation    = "!" negation | comparison
    comparison  = operand [ ( "==" | "!=" | "<" | "<=" | ">" | ">=" ) operand ]
    operand     = number | text | "true" | "false" | "null" | ( "(" expression ")" | ["@"] call ) path
    call        = name "(" [ expression { "," expression } ] ")"
    path        = { ( "." | "?." ) name | ( "[" | "?[" ) ( whole number | text ) "]" }

In front of an expression one more ``@`` may stand.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from floworch.core.expressions.cursor import TokenCursor, shown
from floworch.core.expressions.functions import FUNCTIONS, arity_problem, unknown_function
from floworch.core.expressions.lexer import Token, TokenKind, tokenize
from floworch.core.expressions.limits import MAX_EXPRESSION_LEVELS
from floworch.core.expressions.operators import COMPARISONS
from floworch.core.expressions.origin import Origin
from floworch.core.expressions.sources import ROOTS, PathPart, Root, RootArgument, make_read
from floworch.core.expressions.syntax import And, Call, Comparison, Literal, Member, Node, Not, Or, Read
from floworch.errors import ExpressionError

__all__ = ["parse", "parse_embedded"]

_CONSTANTS: Final = MappingProxyType({"true": True, "false": False, "null": None})
_WORDS: Final = MappingProxyType({"and": "&&", "or": "||", "not": "!", "is": "==", "in": "contains(...)"})
_PATH_STARTS: Final = frozenset({".", "?.", "[", "?["})


def parse(origin: Origin, start: int = 0) -> Node:
    """The expression that the rest of the text from ``start`` is. Raises :class:`~floworch.errors.ExpressionError`."""
    return _parse(origin, tokenize(origin, start))


def parse_embedded(origin: Origin, start: int) -> tuple[Node | ExpressionError, int]:
    """The expression between ``start`` and the ``}`` that closes it, and the offset behind that.

    A mistake is returned, not raised, with the offset at which it makes sense to go on looking for others.
    """
    try:
        tokens = tokenize(origin, start, embedded=True)
    except ExpressionError as error:
        return error, _behind_brace(origin.text, error.position or start)
    try:
        return _parse(origin, tokens), tokens[-1].end
    except ExpressionError as error:
        return error, tokens[-1].end


def _behind_brace(text: str, position: int) -> int:
    brace = text.find("}", position)
    return brace + 1 if brace >= 0 else len(text)


def _parse(origin: Origin, tokens: list[Token]) -> Node:
    try:
        return _Parser(origin, tokens).whole()
    except RecursionError:
        raise origin.error("the expression is nested too deeply for the call stack that is left", 0) from None


class _Parser(TokenCursor):
    def __init__(self, origin: Origin, tokens: list[Token]) -> None:
        super().__init__(origin, tokens)
        self._level = 0

    def whole(self) -> Node:
        if self.at("@") and self.peek(1).kind is not TokenKind.NAME:
            self._leading_at()
        node = self._expression()
        if self.token.kind is not TokenKind.END:
            raise self._trailing()
        return node

    def _expression(self) -> Node:
        self._enter()
        start = self.token.start
        operands = [self._conjunction()]
        while self.take("||"):
            operands.append(self._conjunction())
        self._level -= 1
        return operands[0] if len(operands) == 1 else Or(tuple(operands), start)

    def _conjunction(self) -> Node:
        start = self.token.start
        operands = [self._negation()]
        while self.take("&&"):
            operands.append(self._negation())
        return operands[0] if len(operands) == 1 else And(tuple(operands), start)

    def _negation(self) -> Node:
        start = self.token.start
        if not self.take("!"):
            return self._comparison()
        self._enter()
        operand = self._negation()
        self._level -= 1
        return Not(operand, start)

    def _comparison(self) -> Node:
        left = self._operand()
        operator = self.token
        if operator.text not in COMPARISONS or operator.kind is not TokenKind.SYMBOL:
            return left
        self.advance()
        return Comparison(operator.text, left, self._operand(), operator.start)

    def _operand(self) -> Node:
        token = self.token
        if token.kind in (TokenKind.NUMBER, TokenKind.STRING):
            self.advance()
            return Literal(token.value, token.start)
        if token.kind is TokenKind.NAME:
            return self._named(token.start)
        if self.take("@"):
            return self._named_after_at(token)
        if self.take("("):
            return self._group(token.start)
        raise self._expected_value()

    def _group(self, start: int) -> Node:
        node = self._expression()
        self.expect(")", "to close the parenthesis")
        path = self._path()
        return Member(node, tuple(part.segment for part in path), start) if path else node

    def _named_after_at(self, at: Token) -> Node:
        if self.token.kind is not TokenKind.NAME or self.token.start != at.end:
            raise self.error("an @ stands directly before a reference or function, e.g. @triggerBody()", at.start)
        return self._named(at.start)

    def _named(self, start: int) -> Node:
        name = self.advance()
        folded = name.text.lower()
        if folded in _CONSTANTS and not self.at("("):
            return Literal(_CONSTANTS[folded], start)
        if folded in ROOTS:
            return self._read(ROOTS[folded], name, start)
        if folded in FUNCTIONS:
            return self._call(folded, name, start)
        raise self._unknown(name)

    def _read(self, root: Root, name: Token, start: int) -> Read:
        self._open_call(name, root.usage)
        key = self._key(root)
        path = self._path()
        return make_read(self.origin, root, key, path, start, self.end_of_last)

    def _key(self, root: Root) -> str | None:
        token = self.token
        if root.argument is not RootArgument.REQUIRED and self.take(")"):
            return None
        if root.argument is RootArgument.NONE:
            raise self.error(f"{root.name}() takes nothing in its parentheses", token.start)
        if token.kind is not TokenKind.STRING or not token.value:
            raise self.error(f"{root.name}() takes a key in quotes: {root.usage}", token.start)
        self.advance()
        self.expect(")", f"after the key of {root.name}()")
        return str(token.value)

    def _call(self, folded: str, name: Token, start: int) -> Node:
        function = FUNCTIONS[folded]
        self._open_call(name, function.usage)
        arguments = self._arguments(name)
        if problem := arity_problem(function, len(arguments)):
            raise self.error(problem, name.start)
        call = Call(function.name, arguments, name.start)
        path = self._path()
        return Member(call, tuple(part.segment for part in path), start) if path else call

    def _arguments(self, name: Token) -> tuple[Node, ...]:
        if self.take(")"):
            return ()
        arguments = [self._expression()]
        while self.take(","):
            arguments.append(self._expression())
        self.expect(")", f"or ',' in the arguments of {name.text}()")
        return tuple(arguments)

    def _path(self) -> list[PathPart]:
        parts: list[PathPart] = []
        while self.token.kind is TokenKind.SYMBOL and self.token.text in _PATH_STARTS:
            opener = self.advance()
            parts.append(self._property() if opener.text.endswith(".") else self._bracket())
        return parts

    def _property(self) -> PathPart:
        token = self.token
        if token.kind is not TokenKind.NAME:
            raise self.error("a name is expected here; other keys are written ['key'], list items [0]", token.start)
        self.advance()
        return PathPart(token.text, token.start)

    def _bracket(self) -> PathPart:
        token = self.token
        is_index = token.kind is TokenKind.NUMBER and isinstance(token.value, int) and token.value >= 0
        if token.kind is not TokenKind.STRING and not is_index:
            raise self.error("brackets hold a whole number from 0 on, as in [0], or a name in quotes", token.start)
        self.advance()
        self.expect("]", "to close the bracket")
        return PathPart(token.value, token.start)

    def _open_call(self, name: Token, usage: str) -> None:
        if not self.take("("):
            raise self.error(f"'{name.text}' needs parentheses: {usage}", name.start)

    def _enter(self) -> None:
        self._level += 1
        if self._level > MAX_EXPRESSION_LEVELS:
            raise self.error(f"the expression is nested deeper than {MAX_EXPRESSION_LEVELS} levels", self.token.start)

    def _leading_at(self) -> None:
        at = self.advance()
        if self.token.start != at.end:
            raise self.error("an @ stands directly before an expression, e.g. @triggerBody()", at.start)

    def _expected_value(self) -> ExpressionError:
        token = self.token
        if self.at("!"):
            return self.error("a negation inside a comparison is put in parentheses: (!...)", token.start)
        if token.kind is TokenKind.END and self.is_at_start:
            return self.error("the expression is empty", token.start)
        return self.error(f"a value is expected here, not {shown(token)}", token.start)

    def _trailing(self) -> ExpressionError:
        token = self.token
        if token.kind is TokenKind.SYMBOL and token.text in COMPARISONS:
            message = "comparisons cannot be chained; join two with &&"
        elif word := _WORDS.get(token.text.lower()):
            message = f"unexpected '{token.text}'; write {word}"
        else:
            message = f"the expression should end or go on with an operator here, not with {shown(token)}"
        return self.error(message, token.start)

    def _unknown(self, name: Token) -> ExpressionError:
        if self.at("("):
            return self.error(unknown_function(name.text, {root.name: root for root in ROOTS.values()}), name.start)
        if word := _WORDS.get(name.text.lower()):
            return self.error(f"unexpected '{name.text}'; write {word}", name.start)
        return self.error(f"unknown name '{name.text[:40]}'; text is put in quotes", name.start)

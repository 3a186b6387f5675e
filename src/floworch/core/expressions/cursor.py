"""Walks over the tokens of an expression."""

from __future__ import annotations

from floworch.core.expressions.lexer import Token, TokenKind
from floworch.core.expressions.origin import Origin
from floworch.errors import ExpressionError

__all__ = ["TokenCursor", "shown"]


class TokenCursor:
    """Stands at one token and moves forward; never beyond the END token."""

    def __init__(self, origin: Origin, tokens: list[Token]) -> None:
        self.origin = origin
        self._tokens = tokens
        self._cursor = 0

    @property
    def token(self) -> Token:
        """The token that is next."""
        return self._tokens[self._cursor]

    @property
    def is_at_start(self) -> bool:
        """Whether nothing has been taken yet."""
        return self._cursor == 0

    @property
    def end_of_last(self) -> int:
        """Offset behind the token that was taken last."""
        return self._tokens[self._cursor - 1].end

    def peek(self, ahead: int) -> Token:
        """The token that many behind the next one, or the END token."""
        return self._tokens[min(self._cursor + ahead, len(self._tokens) - 1)]

    def at(self, symbol: str) -> bool:
        """Whether that symbol is next."""
        return self.token.kind is TokenKind.SYMBOL and self.token.text == symbol

    def advance(self) -> Token:
        """Take the next token, whatever it is."""
        token = self.token
        if token.kind is not TokenKind.END:
            self._cursor += 1
        return token

    def take(self, symbol: str) -> bool:
        """Take the symbol if it is next; whether it was."""
        if not self.at(symbol):
            return False
        self._cursor += 1
        return True

    def expect(self, symbol: str, purpose: str) -> None:
        """Take the symbol. Raises :class:`~floworch.errors.ExpressionError` if something else is next."""
        if not self.take(symbol):
            raise self.error(f"'{symbol}' is expected {purpose}, not {shown(self.token)}", self.token.start)

    def error(self, message: str, position: int) -> ExpressionError:
        """The error for a mistake at an offset of the text."""
        return self.origin.error(message, position)


def shown(token: Token) -> str:
    """The token for a message."""
    return "the end" if token.kind is TokenKind.END else f"'{token.text[:40]}'"

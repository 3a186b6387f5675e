"""The accounts, and the handlers that move money."""

from __future__ import annotations

from floworch import NonRetryable, StepContext, step_handler

__all__ = ["Bank", "deposit", "withdraw"]


class Bank:
    """``balances`` by account. A booking with a key that was used before changes nothing."""

    def __init__(self, balances: dict[str, int]) -> None:
        self.balances = balances
        self.booked: list[str] = []

    def book(self, key: str, account: str, amount: int) -> int:
        """The balance after the booking. Raises NonRetryable for an account that does not exist or lacks the money."""
        balance = self.balances.get(account)
        if balance is None or balance + amount < 0:
            raise NonRetryable(f"{account} is closed" if balance is None else f"{account} has only {balance}")
        if key not in self.booked:
            self.booked.append(key)
            self.balances[account] = balance + amount
        return self.balances[account]


@step_handler("Withdraw")
def withdraw(ctx: StepContext, account: str, amount: int) -> int:
    return ctx.service(Bank).book(ctx.idempotency_key, account, -amount)


@step_handler("Deposit")
def deposit(ctx: StepContext, account: str, amount: int) -> int:
    return ctx.service(Bank).book(ctx.idempotency_key, account, amount)

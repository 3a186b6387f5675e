"""A transfer between two accounts: done as a whole, or not at all."""

from __future__ import annotations

from uuid import UUID

from floworch import Compensation, FlowDefinition, FlowManifest, ManualTrigger, Scope, Step, expr

__all__ = ["TransferFlow"]

order = expr.trigger_body()
taken = {"account": order.source, "amount": order.amount}


class TransferFlow(FlowDefinition):
    """Takes money from one account and puts it into another one. When that fails, the money goes back."""

    id = UUID("00000000-0000-0000-0000-000000000007")
    version = "1.0"
    manifest = FlowManifest(
        triggers={"manual": ManualTrigger()},
        steps={
            "transfer": Scope(
                steps={
                    "withdraw": Step(
                        type="Withdraw", inputs=taken, compensate=Compensation(type="Deposit", inputs=taken)
                    ),
                    "deposit": Step(
                        type="Deposit",
                        run_after=["withdraw"],
                        inputs={"account": order.target, "amount": order.amount},
                    ),
                },
                finally_={
                    "statement": Step(
                        type="LogMessage",
                        inputs={"message": f"The deposit {expr.steps('deposit').status}: {expr.failure().message}"},
                    ),
                },
            ),
        },
    )

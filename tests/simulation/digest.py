"""Plays some flows in which much ends at once, and writes a hash of all transitions.

Run as a program, so that a test can compare processes with different hash seeds.
"""

from __future__ import annotations

import hashlib
import sys

from tests.simulation.player import Trouble, play
from tests.simulation.specs import TROUBLE, Constant, FlowSpec, LoopSpec, Outcome, Script, StepSpec, step
from tests.simulation.strategies import Story

__all__ = ["wide_story"]


def wide_story() -> Story:
    """Loops in loops whose iterations end in the same transition as they begin, beside ones that take work."""
    never = (Constant(False),)
    idle = StepSpec("idle", loop=LoopSpec((1, 2, 3), (StepSpec("x", guards=never), StepSpec("y", guards=never)), 3))
    busy = StepSpec("busy", loop=LoopSpec((1, 2, 3), (idle, step("work"), step("after", "work")), 2))
    rows = tuple(step(f"row{number}", "first") for number in range(8))
    flow = FlowSpec(
        (step("first"), busy, *rows, step("rescue", row3=TROUBLE), step("late", *(row.key for row in rows)))
    )
    return Story(flow, Script({"row3": (Outcome("fail"),), "busy.work": (Outcome("succeed"), Outcome("fail"))}))


def main() -> None:
    digest = hashlib.sha256()
    for number in range(20):
        chosen = hashlib.sha256(str(number).encode()).digest() * 3
        player = play(wide_story(), chosen, Trouble(stop=number % 2 == 1, retry=number % 4 > 1))
        digest.update(repr(player.desk.transitions).encode())
    sys.stdout.write(digest.hexdigest())


if __name__ == "__main__":
    main()

"""Random flows under random interleavings: the laws hold after every transition, and the oracle agrees at the end.

``HYPOTHESIS_PROFILE=thorough`` searches forty times as long.
"""

from __future__ import annotations

import os
import subprocess
import sys

from floworch.core.model.status import RunStatus
from tests.simulation.player import Trouble, play
from tests.simulation.replay import searched
from tests.simulation.strategies import Story, choices, stories


@searched(150, story=stories(), chosen=choices())
def test_run_that_nobody_disturbs_ends_as_the_oracle_says(story: Story, chosen: bytes) -> None:
    player = play(story, chosen, Trouble())
    assert player.state.status in (RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.SKIPPED)


@searched(100, story=stories(), chosen=choices())
def test_run_whose_steps_are_retried_by_hand_ends_as_the_oracle_says(story: Story, chosen: bytes) -> None:
    play(story, chosen, Trouble(retry=True))


@searched(100, story=stories(), chosen=choices(60))
def test_run_that_is_cancelled_or_times_out_starts_nothing_more_and_ends(story: Story, chosen: bytes) -> None:
    play(story, chosen, Trouble(stop=True))


@searched(100, story=stories(), chosen=choices())
def test_stopped_run_can_be_taken_up_again_by_retries(story: Story, chosen: bytes) -> None:
    play(story, chosen, Trouble(stop=True, retry=True))


@searched(150, story=stories(max_steps=4), chosen=choices(40))
def test_small_flows_with_much_trouble_keep_the_laws(story: Story, chosen: bytes) -> None:
    play(story, chosen, Trouble(stop=True, retry=True))


@searched(150, story=stories(max_steps=2, scopes_one_in=2), chosen=choices(60))
def test_scopes_undo_what_was_done_whatever_happens(story: Story, chosen: bytes) -> None:
    play(story, chosen, Trouble(stop=True, retry=True))


@searched(100, story=stories(max_steps=6), chosen=choices(80))
def test_forks_from_any_step_at_any_moment_keep_what_came_before_and_end(story: Story, chosen: bytes) -> None:
    play(story, chosen, Trouble(stop=True, retry=True, fork=True))


@searched(150, story=stories(max_steps=5), chosen=choices(60))
def test_run_about_which_people_decide_ends_as_the_oracle_says(story: Story, chosen: bytes) -> None:
    play(story, chosen, Trouble(operators=True))


@searched(150, story=stories(max_steps=4), chosen=choices(60))
def test_people_may_do_anything_at_any_moment(story: Story, chosen: bytes) -> None:
    play(story, chosen, Trouble(stop=True, retry=True, operators=True))


@searched(150, story=stories(max_steps=5, has_waits=True), chosen=choices(60))
def test_signals_at_every_moment_are_taken_once_or_kept(story: Story, chosen: bytes) -> None:
    play(story, chosen, Trouble(stop=True, retry=True))


@searched(150, story=stories(max_steps=6), chosen=choices(60))
def test_run_that_is_moved_to_other_versions_ends_as_the_oracle_says(story: Story, chosen: bytes) -> None:
    play(story, chosen, Trouble(versions=True))


@searched(100, story=stories(max_steps=4), chosen=choices(60))
def test_versions_may_change_whatever_else_happens(story: Story, chosen: bytes) -> None:
    play(story, chosen, Trouble(stop=True, retry=True, operators=True, versions=True))


@searched(40, story=stories(max_steps=6), chosen=choices(40))
def test_same_choices_give_the_same_transitions(story: Story, chosen: bytes) -> None:
    trouble = Trouble(stop=True, retry=True)
    assert play(story, chosen, trouble).desk.transitions == play(story, chosen, trouble).desk.transitions


def test_transitions_do_not_depend_on_the_hashes_of_the_process() -> None:
    digests = {_digest_in_a_process(hash_seed) for hash_seed in (1, 2, 3)}
    assert len(digests) == 1


def _digest_in_a_process(hash_seed: int) -> str:
    command = [sys.executable, "-m", "tests.simulation.digest"]
    environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout

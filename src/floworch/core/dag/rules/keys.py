"""How steps and triggers may be called."""

from __future__ import annotations

from collections.abc import Iterator

from floworch.core.dag.rules.scopes import Finding, Scope
from floworch.core.model.manifest import FlowManifest

__all__ = ["MAX_KEY_CHARS", "step_keys", "trigger_keys"]

MAX_KEY_CHARS = 200
_QUOTES = "'\"`"


def step_keys(scope: Scope) -> Iterator[Finding]:
    """Step keys become part of run-time keys, expressions and addresses, so some characters are not for them."""
    for key in scope.steps:
        if fault := _any_key_fault(key) or _step_key_fault(key):
            yield Finding(scope.at(key), "bad_step_key", f"Bad step key {key!r}: {fault}.")


def trigger_keys(manifest: FlowManifest) -> Iterator[Finding]:
    """Trigger keys are looser: they are only ever looked up."""
    for key in manifest.triggers:
        if fault := _any_key_fault(key):
            yield Finding(f"triggers.{key}", "bad_trigger_key", f"Bad trigger key {key!r}: {fault}.")


def _any_key_fault(key: str) -> str | None:
    if not key:
        return "it is empty"
    if len(key) > MAX_KEY_CHARS:
        return f"it has {len(key)} characters; at most {MAX_KEY_CHARS} are allowed"
    if any(char.isspace() for char in key):
        return "it contains white space; use '_' instead"
    if not key.isprintable():
        return "it contains a character that cannot be printed"
    return "it contains a quote" if any(char in _QUOTES for char in key) else None


def _step_key_fault(key: str) -> str | None:
    if "." in key:
        return "dots are reserved for the steps of loops, as in 'loop.3.step'; use '_' instead"
    if key.isdigit():
        return "a number would be read as the index of an iteration; start with a letter"
    return "keys that start with '__' are reserved" if key.startswith("__") else None

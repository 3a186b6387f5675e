"""Whom an application wants to be told of failed runs, checked when it says so and again when its flows are known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from floworch.arguments import checked_statuses
from floworch.core.engine.notifiers import Registration
from floworch.core.model.flow import FlowDefinition
from floworch.core.model.notices import Notifier, Throttle
from floworch.core.model.spelling import did_you_mean
from floworch.core.model.status import RunStatus
from floworch.errors import ConfigurationError

__all__ = ["NotifierChoice"]

_LINK_PARTS = {"run_id": "", "flow_id": "", "flow": "", "status": ""}


@dataclass(frozen=True, slots=True)
class NotifierChoice:
    """The arguments of ``on_failure``. ``flows`` are classes, instances, ids or names; None for all."""

    notifier: Notifier
    flows: Sequence[object] | None
    statuses: frozenset[RunStatus]
    throttle: Throttle | None
    link: str | None

    @classmethod
    def checked(
        cls,
        notifier: Notifier,
        flows: Sequence[object] | None,
        statuses: Iterable[RunStatus],
        throttle: Throttle | None,
        link: str | None,
    ) -> NotifierChoice:
        """Raises ConfigurationError for what makes no sense whatever the flows are."""
        if not callable(notifier):
            raise ConfigurationError(f"a notifier is called with a FailureNotice, and {notifier!r} cannot be called")
        if isinstance(flows, str):
            raise ConfigurationError(f"flows is {flows!r}; write flows=[{flows!r}]")
        if flows is not None and not flows:
            raise ConfigurationError("flows is empty; leave it out to be told of all flows")
        if throttle is not None and not isinstance(throttle, Throttle):
            raise ConfigurationError(f"throttle is {throttle!r}; write Throttle(limit, period)")
        return cls(notifier, flows, _ends(statuses), throttle, _checked_link(link))

    def registration(self, flows: Sequence[FlowDefinition]) -> Registration:
        """For the engine, given the flows of the application. Raises ConfigurationError for one that is not there."""
        known = {reference: flow.id for flow in flows for reference in (flow.id, flow.name, str(flow.id))}
        wanted = {flow.id for flow in flows} if self.flows is None else {_id_of(each, known) for each in self.flows}
        return Registration(self.notifier, frozenset(wanted), self.statuses, self.throttle, self.link)


def _ends(statuses: Iterable[RunStatus]) -> frozenset[RunStatus]:
    found = checked_statuses(statuses)
    if not found or not all(status.is_final for status in found):
        shown = ", ".join(sorted(found or ())) or "nothing"
        raise ConfigurationError(f"on_failure tells of runs that have ended, with statuses such as Failed; got {shown}")
    return found


def _checked_link(link: str | None) -> str | None:
    try:
        if link is not None:
            link.format(**_LINK_PARTS)
    except (KeyError, IndexError, ValueError, AttributeError) as error:
        parts = ", ".join(f"{{{name}}}" for name in _LINK_PARTS)
        raise ConfigurationError(f"the link {link!r} cannot be filled in ({error!r}); it may hold {parts}") from error
    return link


def _id_of(reference: object, known: dict[UUID | str, UUID]) -> UUID:
    wanted = reference if isinstance(reference, UUID | str) else getattr(reference, "id", None)
    found = known.get(wanted) if isinstance(wanted, UUID | str) else None
    if found is None:
        names = [name for name in known if isinstance(name, str)]
        hint = did_you_mean(str(wanted), names) or " Add it with add_flow()."
        raise ConfigurationError(f"on_failure: no flow {str(wanted)!r} is registered.{hint}")
    return found

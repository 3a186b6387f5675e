"""Putting an orchestrator together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from os import PathLike
from typing import TYPE_CHECKING, Any

from floworch.core.dag.rules.known import KnownTypes
from floworch.core.dag.validate import validate_flows
from floworch.core.engine.engine import Engine
from floworch.core.engine.settings import EngineSettings
from floworch.core.handlers.builtin import BUILTIN_HANDLERS
from floworch.core.handlers.registry import HandlerRegistry, engines_own
from floworch.core.handlers.services import Services
from floworch.core.model.flow import FlowDefinition, FlowLike, as_flow, manifest_of
from floworch.core.model.limits import Limit, Rate, make_limit
from floworch.core.model.notices import Notifier, Throttle
from floworch.core.model.spelling import did_you_mean
from floworch.core.model.status import RunStatus
from floworch.core.model.steps import FOR_EACH, SCOPE, UNTIL
from floworch.core.ports.clock import Clock, SystemClock
from floworch.core.ports.runtime import Runtime
from floworch.core.ports.storage import Storage
from floworch.errors import ConfigurationError, FlowProblem, FlowValidationError
from floworch.notifier_choice import NotifierChoice
from floworch.runtimes.asyncio import AsyncioRuntime

if TYPE_CHECKING:
    from floworch.orchestrator import FlowOrchestrator, FlowReference

__all__ = ["FlowOrchestratorBuilder"]


class FlowOrchestratorBuilder:
    """Every method but :meth:`build` returns the builder. Nothing is opened or started before the orchestrator is."""

    def __init__(self, make: Callable[..., FlowOrchestrator]) -> None:
        self._make = make
        self._storage: Callable[[Clock], Storage] | None = None
        self._runtime: Callable[[], Runtime] | None = None
        self._flows: list[FlowLike] = []
        self._handlers = HandlerRegistry()
        self._handlers.add(*BUILTIN_HANDLERS)
        self._services = Services()
        self._clock: Clock = SystemClock()
        self._settings: dict[str, Any] = {}
        self._notifiers: list[NotifierChoice] = []
        self._limits: dict[str, Limit] = {}

    # -- storage

    def use_in_memory(self) -> FlowOrchestratorBuilder:
        """Keep everything in this process and lose it with it: for tests and trials."""
        memory = import_module("floworch.storage.memory")
        return self.use_storage(memory.MemoryStorage)

    def use_sqlite(self, path: str | PathLike[str], **options: Any) -> FlowOrchestratorBuilder:
        """Keep everything in a SQLite file, which is made when it is missing.

        Several processes of one machine may share it.
        Options: see :meth:`floworch.storage.sql.SqlStorage.sqlite`.
        """
        # By name: SQLAlchemy is loaded only by those who store in SQL.
        sql = import_module("floworch.storage.sql")
        return self.use_storage(lambda clock: sql.SqlStorage.sqlite(path, clock=clock, **options))

    def use_postgresql(
        self,
        url: str,
        *,
        schema: str = "floworch",
        auto_migrate: bool = True,
        pool_size: int = 6,
        statement_timeout_seconds: float = 30.0,
        application_name: str = "floworch",
        listen: bool = True,
        pgbouncer: bool = False,
        **options: Any,
    ) -> FlowOrchestratorBuilder:
        """Keep everything in a schema of a PostgreSQL database, which any number of processes and machines may share.

        ``url`` is ``postgresql://user:password@host/database``, with the parameters of libpq or in SQLAlchemy's form.
        ``auto_migrate=False`` leaves the schema to ``floworch migrate`` or to a DBA. ``pgbouncer`` is for poolers that
        hand out connections per transaction; with those, and without ``listen``, work of other processes is found by
        polling only. Needs ``pip install 'floworch[postgresql]'``.
        More options: see :meth:`floworch.storage.sql.SqlStorage.postgresql`.
        """
        sql = import_module("floworch.storage.sql")
        options |= {
            "schema": schema,
            "auto_migrate": auto_migrate,
            "pool_size": pool_size,
            "statement_timeout_seconds": statement_timeout_seconds,
            "application_name": application_name,
            "listen": listen,
            "pgbouncer": pgbouncer,
        }
        return self.use_storage(lambda clock: sql.SqlStorage.postgresql(url, clock=clock, **options))

    def use_storage(self, make: Callable[[Clock], Storage]) -> FlowOrchestratorBuilder:
        """Any other storage: a callable that makes it, given the clock."""
        self._storage = make
        return self

    # -- runtime

    def use_asyncio_runtime(self, concurrency: int = 128) -> FlowOrchestratorBuilder:
        """Run steps in this process, at most ``concurrency`` at once."""
        return self.use_runtime(lambda: AsyncioRuntime(concurrency))

    def use_runtime(self, make: Callable[[], Runtime]) -> FlowOrchestratorBuilder:
        """Any other runtime: a callable that makes it."""
        self._runtime = make
        return self

    # -- contents

    def add_flow(self, *flows: FlowLike) -> FlowOrchestratorBuilder:
        """Add flow classes or instances. They are validated together by :meth:`build`."""
        self._flows += flows
        return self

    def add_handlers(self, *handlers: Any, replace: bool = False) -> FlowOrchestratorBuilder:
        """Add decorated functions and classes, modules that hold some, or a type and a callable.

        ``replace`` lets them take the place of others, built-in ones too.
        """
        self._handlers.add(*handlers, replace=replace)
        return self

    def add_service(self, service: object, factory: Callable[[], object] | None = None) -> FlowOrchestratorBuilder:
        """Lend an object to the handlers: an instance, or a type and the factory that makes it."""
        self._services.add(service, factory)
        return self

    def limit(
        self, step_type: str, *, concurrency: int | None = None, rate: Rate | None = None
    ) -> FlowOrchestratorBuilder:
        """Let at most ``concurrency`` attempts of steps of this type run at once, in all processes together, or start
        them at that rate. Wins over what the type's handler says. Raises ConfigurationError."""
        if own := engines_own(step_type):
            raise ConfigurationError(
                f"steps of the type {own!r} are carried out by the engine itself; limit what is in them"
            )
        self._limits[step_type] = make_limit(concurrency, rate)
        return self

    def on_failure(
        self,
        notifier: Notifier,
        *,
        flows: Sequence[FlowReference] | None = None,
        statuses: Sequence[RunStatus] = (RunStatus.FAILED, RunStatus.TIMED_OUT),
        throttle: Throttle | None = None,
        link: str | None = None,
    ) -> FlowOrchestratorBuilder:
        """Tell somebody of runs that have ended badly: a function, async or not, or another callable that takes a
        :class:`~floworch.core.model.notices.FailureNotice`, such as a :class:`~floworch.notifiers.WebhookNotifier`.

        Each end is told at least once, by one of the processes that have notifiers; a notifier that raises or takes
        longer than ``notice_timeout_seconds`` is called again later. ``flows`` are those whose runs it is told of, by
        default all. ``link`` is a template such as ``https://ops.example/runs/{run_id}``, which may also hold
        ``{flow_id}``, ``{flow}`` and ``{status}``. May be called several times. Raises ConfigurationError.
        """
        self._notifiers.append(NotifierChoice.checked(notifier, flows, statuses, throttle, link))
        return self

    def configure(self, **settings: Any) -> FlowOrchestratorBuilder:
        """Set fields of :class:`~floworch.core.engine.settings.EngineSettings`, such as ``lease_seconds=60``."""
        self._settings.update(settings)
        return self

    def use_clock(self, clock: Clock) -> FlowOrchestratorBuilder:
        """Another clock, for tests."""
        self._clock = clock
        return self

    # -- the end of it

    @property
    def flows(self) -> Sequence[FlowLike]:
        """The flows so far."""
        return tuple(self._flows)

    def problems(self) -> list[FlowProblem]:
        """Everything that :meth:`build` would refuse the flows for; empty when they are valid."""
        handlers = self._handlers
        names = handlers.types | {FOR_EACH, UNTIL, SCOPE}
        types = KnownTypes(names, handlers.polling_types, handlers.missing, handlers.checks)
        return validate_flows(self._flows, types)

    def build(self) -> FlowOrchestrator:
        """Check everything and put it together.

        Raises ConfigurationError for a missing choice or service, FlowValidationError with every problem of every flow.
        """
        if self._storage is None:
            raise ConfigurationError(
                "no storage was chosen; call use_postgresql(url), use_sqlite(path) or use_in_memory()"
            )
        if self._runtime is None:
            raise ConfigurationError("no runtime was chosen; call use_asyncio_runtime()")
        if problems := self.problems():
            raise FlowValidationError(problems)
        self._check_limits()
        settings = EngineSettings.from_fields(self._settings)
        flows = [_ready(flow) for flow in self._flows]
        store = self._storage(self._clock)
        engine = Engine(
            store=store,
            runtime=self._runtime(),
            flows=flows,
            handlers=self._handlers.build(self._services),
            services=self._services,
            clock=self._clock,
            settings=settings,
            limits=self._limits,
            notifiers=[choice.registration(flows) for choice in self._notifiers],
        )
        return self._make(engine=engine, store=store, flows=flows, clock=self._clock)

    def _check_limits(self) -> None:
        types = {step_type.casefold() for step_type in self._handlers.types}
        for step_type in self._limits:
            if step_type.casefold() not in types:
                hint = did_you_mean(step_type, self._handlers.types)
                raise ConfigurationError(f"limit() names the step type {step_type!r}, which has no handler.{hint}")


def _ready(flow: FlowLike) -> FlowDefinition:
    """An instance whose manifest is a model, also where the author gave parsed JSON."""
    instance = as_flow(flow)
    instance.manifest = manifest_of(instance)
    return instance

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import timedelta
from types import ModuleType
from typing import Any, Protocol

import pytest

from floworch import FlowManifest, RetryPolicy, Step, StepContext, step_handler
from floworch.core.dag.rules.known import KnownTypes
from floworch.core.dag.validate import validate_manifest
from floworch.core.handlers import ExecutorKind, Handler, HandlerRegistry, Services
from floworch.core.handlers.builtin import BUILTIN_HANDLERS
from floworch.core.handlers.spec import HandlerSpec, marked
from floworch.errors import ConfigurationError


@step_handler("Load", retry=RetryPolicy(max_attempts=2), timeout=timedelta(seconds=5))
async def load(ctx: StepContext) -> None:
    """Load the rows.

    More about it.
    """


@step_handler("Check")
@step_handler("Verify", description="another word for it")
def check(value: int) -> None: ...


@step_handler("Load")
def load_again() -> None: ...


@step_handler("Crunch", executor="process")
def crunch() -> None: ...


class Mailer(ABC):
    @abstractmethod
    def send(self) -> str: ...


class Smtp(Mailer):
    def send(self) -> str:
        return "sent"


class Closable(Protocol):
    def close(self) -> None: ...


@step_handler("SendMail")
class SendMail:
    def __init__(self, mailer: Mailer, retries: int = 3) -> None:
        self.mailer = mailer
        self.retries = retries

    async def __call__(self, to: str) -> str:
        return self.mailer.send()


class Untyped:
    def __init__(self, mailer) -> None:  # type: ignore[no-untyped-def]
        self.mailer = mailer

    def __call__(self) -> None: ...


def built(*things: Any, services: Services | None = None) -> Any:
    registry = HandlerRegistry()
    registry.add(*things)
    return registry.build(services or Services())


def handler(step_type: str, *things: Any) -> Handler:
    found: Handler = built(*things).get(step_type)
    return found


def refusal(*things: Any, services: Services | None = None) -> str:
    with pytest.raises(ConfigurationError) as caught:
        built(*things, services=services)
    return str(caught.value)


def test_what_the_decorator_said_is_kept() -> None:
    found = handler("Load", load)

    assert found.call is load
    assert found.retry == RetryPolicy(max_attempts=2)
    assert found.timeout_seconds == 5
    assert found.description == "Load the rows."
    assert (found.is_async, found.executor, found.takes_context) == (True, ExecutorKind.LOOP, True)


def test_one_function_may_serve_several_types() -> None:
    assert built(check).types == {"Check", "Verify"}
    assert handler("Verify", check).description == "another word for it"
    assert handler("Check", check).executor is ExecutorKind.THREAD


def test_a_type_is_found_in_any_case_and_a_miss_names_the_nearest() -> None:
    handlers = built(load, check)

    assert handlers.get("LOAD").type == "Load"
    assert "verify" in handlers
    assert handlers.find("Lod") is None
    with pytest.raises(ConfigurationError, match=r"step type 'Laod'. Did you mean 'Load'"):
        handlers.get("Laod")
    with pytest.raises(ConfigurationError, match="Registered: Check, Load, Verify"):
        handlers.get("Zzz")


def test_modules_and_lists_give_everything_decorated_in_them() -> None:
    module = ModuleType("steps")
    vars(module).update(load=load, again=load, check=check, number=5, typing=Any)

    assert built(module).types == {"Load", "Check", "Verify"}
    assert built([load, (check,)]).types == {"Load", "Check", "Verify"}
    assert built(BUILTIN_HANDLERS).types == {"Delay", "HttpRequest", "LogMessage", "RunFlow"}


def test_a_type_and_a_callable_need_no_decorator() -> None:
    assert built("Twice", lambda value: 2 * value).get("twice").call(value=2) == 4
    assert handler("Other", "Other", load).timeout_seconds == 5


def test_two_handlers_of_one_type_are_refused_with_both_places() -> None:
    message = refusal(load, load_again)

    assert "'Load' has two handlers" in message
    assert ".load (" in message
    assert ".load_again (" in message


def test_a_handler_may_be_replaced_on_purpose_and_repeated_by_accident() -> None:
    registry = HandlerRegistry()
    registry.add(load, load)
    registry.add("load", check, replace=True)

    assert registry.build(Services()).get("Load").call is check


def test_a_class_gets_its_services_and_is_made_once() -> None:
    services = Services()
    services.add(Smtp())

    handlers = built(SendMail, services=services)
    instance = handlers.get("SendMail").call

    assert isinstance(instance, SendMail)
    assert instance.mailer is services.get(Smtp)
    assert instance.retries == 3
    assert set(handlers.get("SendMail").parameters.inputs) == {"to"}


def test_an_instance_of_a_decorated_class_is_a_handler() -> None:
    instance = SendMail(Smtp())

    assert handler("SendMail", instance).call is instance


def test_a_class_without_its_service_names_the_class_and_the_parameter() -> None:
    message = refusal(SendMail)

    assert "SendMail: the constructor's parameter 'mailer' has no service" in message
    assert "add_service" in message
    assert "'mailer' needs a type" in refusal("Untyped", Untyped)


async def numbers() -> Any:
    yield 1


@step_handler("Slow", executor="process")
async def slow() -> None: ...


@pytest.mark.parametrize(
    ("things", "problem"),
    [
        ((len,), "is not marked as a handler"),
        ((5,), "is not marked as a handler"),
        ((ModuleType("empty"),), "has no handlers"),
        (("Number", 5), "cannot be called"),
        (("", len), "is empty"),
        (("Mailer", Mailer), "has no __call__"),
        (("Numbers", numbers), "it is a generator"),
        ((slow,), "make it a plain 'def'"),
        ((step_handler("Local", executor="process")(lambda: None),), "other processes cannot import it"),
    ],
)
def test_what_cannot_be_a_handler_is_refused(things: tuple[Any, ...], problem: str) -> None:
    assert problem in refusal(*things)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"type": len}, "with parentheses"),
        ({"type": " "}, "with parentheses"),
        ({"type": "A", "timeout": 0}, "timeout is 0"),
        ({"type": "A", "timeout": float("nan")}, "timeout is nan"),
        ({"type": "A", "executor": "fiber"}, "executor is 'fiber'"),
    ],
)
def test_a_decorator_that_makes_no_sense_is_refused(arguments: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        step_handler(**arguments)

    assert problem in str(caught.value)


def test_a_service_is_found_by_its_type_or_its_only_subclass() -> None:
    services = Services()
    services.add(Smtp, Smtp)

    assert services.get(Mailer) is services.get(Smtp)  # type: ignore[type-abstract]
    anything: Any = object()
    services.add(Closable, lambda: anything)
    assert services.get(Closable) is anything  # type: ignore[type-abstract]


def test_an_ambiguous_missing_or_unmade_service_is_refused() -> None:
    class Other(Smtp): ...

    services = Services()
    services.add(Smtp())
    services.add(Other())

    with pytest.raises(ConfigurationError, match=r"Several services are a Mailer: Smtp, .*Other"):
        services.get(Mailer)  # type: ignore[type-abstract]
    with pytest.raises(ConfigurationError, match="No service of type int is registered"):
        services.get(int)
    with pytest.raises(ConfigurationError, match="is a class; add an instance"):
        services.add(Smtp)
    with pytest.raises(ConfigurationError, match="must be the type"):
        services.add(Smtp(), Smtp)


async def test_what_was_made_here_is_closed_once_and_what_was_given_is_not() -> None:
    closed: list[str] = []

    @step_handler("Two")
    @step_handler("One")
    class Made:
        async def __call__(self) -> None:
            """Never called."""

        async def aclose(self) -> None:
            closed.append("made")

    @step_handler("Broken")
    class Broken(Made):
        async def aclose(self) -> None:
            raise ConnectionError("gone")

    @step_handler("Given")
    class Given(Made):
        async def aclose(self) -> None:
            closed.append("given")

    errors = await built(Made, Broken, Given()).aclose()

    assert closed == ["made"]
    assert [str(error) for error in errors] == ["gone"]


def test_handlers_that_lack_a_package_say_what_to_install() -> None:
    @marked(HandlerSpec("Fetch", extra=("no_such_package", "http")))
    def fetch() -> None:
        """Never called."""

    registry = HandlerRegistry()
    registry.add(fetch)

    assert registry.missing == {"fetch": "The step type Fetch needs no_such_package: pip install 'floworch[http]'."}
    [problem] = validate_manifest(
        FlowManifest(steps={"a": Step(type="FETCH")}), "flow", KnownTypes({"Fetch"}, missing=registry.missing)
    )
    assert (problem.location, problem.code) == ("steps.a.type", "missing_extra")


@pytest.mark.parametrize("step_type", ["WaitForSignal", "waitforsignal", "ForEach", "Until", "scope"])
@pytest.mark.parametrize("replace", [False, True])
def test_a_type_that_the_engine_carries_out_itself_takes_no_handler(step_type: str, replace: bool) -> None:
    with pytest.raises(ConfigurationError, match=r"never be called: steps of the type '[A-Z]\w+' are carried out"):
        HandlerRegistry().add(step_type, lambda: None, replace=replace)

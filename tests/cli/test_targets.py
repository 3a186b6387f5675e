"""What a target may be, and what is said about one that is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from floworch.cli.errors import TargetError
from floworch.cli.targets import load_target
from floworch.core.model.flow import as_flow
from floworch.errors import FlowValidationError

WriteModule = Callable[[str, str], Path]

SHOP = """
    from uuid import UUID
    from floworch import FlowDefinition, FlowManifest, FlowOrchestrator, Step

    class Buy(FlowDefinition):
        id = UUID(int=1)
        manifest = FlowManifest(steps={"log": Step(type="LogMessage")})

    builder = FlowOrchestrator.builder().use_in_memory().use_asyncio_runtime().add_flow(Buy)
    orchestrator = builder.build()
    instance = Buy()
    listed = [Buy, instance]
    empty = []
    number = 5

    def factory(): return builder
    def said() -> FlowOrchestrator: return orchestrator
    def said_in_text() -> "FlowOrchestrator": return orchestrator
    def needy(name, *, size=1): return builder
    def breaks(): raise KeyError("shop")
    async def later(): return builder
    def nothing(): pass
    class Holder:
        inner = builder
"""


@pytest.mark.parametrize("attribute", ["Buy", "builder", "orchestrator", "instance", "factory", "Holder.inner"])
def test_a_target_may_be_anything_that_holds_flows(write_module: WriteModule, attribute: str) -> None:
    write_module("shop_of_everything.py", SHOP)

    assert [as_flow(flow).name for flow in load_target(f"shop_of_everything:{attribute}").flows] == ["Buy"]


def test_a_target_may_be_a_list_of_classes_and_instances(write_module: WriteModule) -> None:
    write_module("shop_with_list.py", SHOP)

    assert len(load_target("shop_with_list:listed").flows) == 2


def test_a_file_is_imported_with_its_folder_on_the_path(write_module: WriteModule) -> None:
    write_module("deep/prices.py", "FACTOR = 3")
    path = write_module("deep/shop_beside_prices.py", "import prices\n" + SHOP.replace("\n    ", "\n"))

    assert load_target(f"{path}:builder").flows


def test_a_file_in_a_package_is_imported_as_its_module(write_module: WriteModule) -> None:
    write_module("trade/__init__.py", "")
    write_module("trade/rates.py", "FACTOR = 3")
    path = write_module("trade/shop.py", "from trade.rates import FACTOR\n" + SHOP.replace("\n    ", "\n"))

    assert load_target(f"{path}:builder").flows


WRONG = {
    "shop_x": "is not a target. Write MODULE:ATTRIBUTE",
    ":builder": "is not a target",
    "shop_x:": "is not a target",
    "shop_x:1+1": "is not a target",
    "shop_y:builder": "there is no module 'shop_y'. Did you mean 'shop_x'?",
    "quite_another:builder": "there is no module 'quite_another'. Modules are searched from the current folder",
    "shop_x.more:builder": "there is no module 'shop_x.more'",
    "shop_x:bulider": "'shop_x' has no attribute 'bulider'. Did you mean 'builder'?",
    "shop_x:Stepp": "'shop_x' has no attribute 'Stepp'. It has Buy,",
    "shop_x:zzzzzz": "It has Buy, builder, instance, listed, orchestrator, said, said_in_text.",
    "shop_x:number": "is int 5. A target is a FlowOrchestrator, its builder",
    "shop_x:empty": "is a list of nothing",
    "shop_x:needy": "is a function with the arguments (name, *, size=1)",
    "shop_x:later": "is an async function",
    "shop_x:nothing": "is NoneType None",
    "shop_x:FlowDefinition": "is the class FlowDefinition",
    "./shop_z.py:builder": "there is no file 'shop_z.py'. Did you mean 'shop_x.py'?",
    "nowhere/shop_x.py:builder": "there is no folder 'nowhere'",
}


@pytest.mark.parametrize(("text", "message"), WRONG.items(), ids=list(WRONG))
def test_a_wrong_target_is_explained(write_module: WriteModule, text: str, message: str) -> None:
    write_module("shop_x.py", SHOP)

    with pytest.raises(TargetError) as refusal:
        load_target(text)

    assert message in str(refusal.value)


def test_a_missing_module_inside_a_package_suggests_its_neighbours(write_module: WriteModule) -> None:
    write_module("firm/__init__.py", "")
    write_module("firm/orders.py", "")

    with pytest.raises(TargetError, match=r"no module 'firm\.order'\. Did you mean 'firm\.orders'\?"):
        load_target("firm.order:flow")


def test_an_error_inside_the_module_shows_only_the_lines_of_the_application(write_module: WriteModule) -> None:
    write_module("broken_helper.py", "def divide():\n    return 1 / 0\n")
    write_module("broken_shop.py", "import broken_helper\nvalue = broken_helper.divide()\n")

    with pytest.raises(TargetError) as refusal:
        load_target("broken_shop:value")

    text = str(refusal.value)
    assert "the module 'broken_shop' cannot be imported: it raises an error." in text
    assert "return 1 / 0" in text
    assert "ZeroDivisionError: division by zero" in text
    assert "importlib" not in text
    assert "floworch/cli" not in text.replace("\\", "/")


def test_what_a_module_fails_to_import_is_not_taken_for_the_module(write_module: WriteModule) -> None:
    write_module("needs_more.py", "import a_package_that_is_missing\n")

    with pytest.raises(TargetError) as refusal:
        load_target("needs_more:builder")

    assert "No module named 'a_package_that_is_missing'" in str(refusal.value)
    assert "import a_package_that_is_missing" in str(refusal.value)


def test_a_syntax_error_is_shown_with_its_line(write_module: WriteModule) -> None:
    write_module("misspelt.py", "def f(:\n    pass\n")

    with pytest.raises(TargetError, match=r"(?s)misspelt\.py.*line 1.*SyntaxError"):
        load_target("misspelt:builder")


def test_a_module_that_ends_the_program_is_explained(write_module: WriteModule) -> None:
    write_module("script.py", "import sys\nsys.exit(3)\n")

    with pytest.raises(TargetError, match=r"sys\.exit\(3\).*__main__"):
        load_target("script:builder")


def test_an_error_of_the_function_is_explained(write_module: WriteModule) -> None:
    write_module("shop_that_breaks.py", SHOP)

    with pytest.raises(TargetError, match=r"(?s)cannot be called.*KeyError: 'shop'"):
        load_target("shop_that_breaks:breaks")


def test_invalid_flows_stay_what_they_are_when_the_module_builds_while_it_is_imported(
    write_module: WriteModule,
) -> None:
    write_module("shop_of_mistakes.py", SHOP.replace('"LogMessage"', '"LogMesage"'))

    with pytest.raises(FlowValidationError, match="LogMessage"):
        load_target("shop_of_mistakes:orchestrator")


def test_a_file_whose_name_is_taken_is_refused(write_module: WriteModule) -> None:
    path = write_module("json.py", SHOP)

    with pytest.raises(TargetError, match="that name belongs to"):
        load_target(f"{path}:builder")


def test_bare_flows_cannot_be_run(write_module: WriteModule) -> None:
    write_module("shop_of_flows.py", SHOP)

    with pytest.raises(TargetError, match=r"'Buy'.*without storage, runtime and handlers"):
        load_target("shop_of_flows:Buy").orchestrator()

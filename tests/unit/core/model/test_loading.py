from __future__ import annotations

from pathlib import Path

import pytest

from floworch.core.model.manifest import CronTrigger, FlowManifest, ForEach, Step
from floworch.errors import FlowValidationError

YAML = """
triggers:
  nightly: {type: Cron, inputs: {cronExpression: "0 2 * * *"}}
steps:
  load:
    type: Load
    inputs: {on: yes, day: 2024-01-31, flag: true, n: 1.5}
  each:
    type: ForEach
    runAfter: [load]
    forEach: "@steps('load').output"
    steps:
      work: {type: Work}
"""
MANIFEST = FlowManifest(
    triggers={"nightly": CronTrigger(cron_expression="0 2 * * *")},
    steps={
        "load": Step(type="Load", inputs={"on": "yes", "day": "2024-01-31", "flag": True, "n": 1.5}),
        "each": ForEach(for_each="@steps('load').output", run_after=["load"], steps={"work": Step(type="Work")}),
    },
)


@pytest.mark.parametrize("name", ["flow.yaml", "flow.yml", "flow.YAML"])
def test_yaml_means_what_people_expect(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(YAML)
    assert FlowManifest.from_file(tmp_path / name) == MANIFEST


@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_json_files_are_read(tmp_path: Path, start: str) -> None:
    file = tmp_path / "flow.json"
    file.write_text(start + MANIFEST.to_json(), encoding="utf-8")
    assert FlowManifest.from_file(str(file)) == MANIFEST


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("f.json", '{"steps": {', "line 1, column 12"),
        ("f.json", '{"steps": {"a": 1, "a": 2}}', "the key 'a' occurs twice"),
        ("f.json", '{"timeoutSeconds": NaN}', "NaN is not a JSON number"),
        ("f.json", "[" * 100_000, "nested too deeply"),
        ("f.json", "[" * 200 + "]" * 200, "nested too deeply"),
        ("f.json", b"\xff\xfe\x00", "Not JSON"),
        ("f.yaml", "steps:\n  a: {type: X}\n  a: {type: Y}\n", "the key 'a' occurs twice"),
        ("f.yaml", "steps: [", "Not YAML"),
        ("f.yaml", "steps: &s\n  a: {type: ForEach, forEach: [], steps: *s}\n", "recursive"),
        ("f.yaml", "[" * 5_000, "YAML"),
        ("f.yaml", "!!python/object:os.system {}", "Not YAML"),
        ("f.toml", "", "use .json, .yaml or .yml"),
        ("f.yaml", "just text", "valid dictionary"),
        ("f.yaml", "", "valid dictionary"),
    ],
)
def test_files_that_cannot_be_read_say_why(tmp_path: Path, name: str, text: str | bytes, words: str) -> None:
    file = tmp_path / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(FlowValidationError) as caught:
        FlowManifest.from_file(file)
    assert words in str(caught.value)
    assert str(file) in str(caught.value)


def test_merge_keys_of_yaml_may_be_overridden(tmp_path: Path) -> None:
    file = tmp_path / "f.yaml"
    file.write_text("steps:\n  a: &base {type: X, inputs: {n: 1}}\n  b: {<<: *base, type: Y}\n")
    steps = FlowManifest.from_file(file).steps
    assert steps["b"] == Step(type="Y", inputs={"n": 1})


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        FlowManifest.from_file(tmp_path / "none.json")

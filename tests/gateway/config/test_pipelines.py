"""Which pipelines a file makes. What is told of wrong ones: `tests/config/*.case`."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config.pipelines import Pipelines, own_pipeline
from gateway.config.yamlfile import read
from plugins.reasoning_mapper import Config as Reasoning
from tests.gateway.sample_plugins import HERE


BOTH = """\
pipeline:
  - use: agent_resolver
  - use: reasoning_mapper
    config: {into: [think]}
pipelines:
  silent:
    - use: agent_resolver
    - {use: reasoning_mapper, id: reasoning, config: {into: []}}
    - {use: newline_reconstructor, enabled: false}
"""


@pytest.fixture(name="pipelines")
def _pipelines(tmp_path, monkeypatch):
    """Read the pipelines of a file."""
    monkeypatch.chdir(tmp_path)

    def pipelines(text):
        Path("f.yaml").write_text(text)
        found = Pipelines(read(Path("f.yaml"), {}))
        found.read()
        return found

    return pipelines


def told(pipelines):
    return [str(problem) for problem in pipelines.problems]


def test_several(pipelines):
    """Each pipeline has its own steps; what is disabled is disabled in one."""
    found = pipelines(BOTH)

    assert found.problems == []
    assert {name: [step.id for step in steps] for name, steps in found.steps.items()} == {
        "pipeline": ["agent_resolver", "reasoning_mapper"],
        "silent": ["agent_resolver", "reasoning"],
    }
    assert found.disabled == ["newline_reconstructor"]


def test_own_settings(pipelines):
    """A model's own settings are put over those of the pipeline; nobody else sees them."""
    models = "models:\n  - {id: m, agent: a, settings: {reasoning_mapper: {hidden: note}}}\n"
    found = pipelines(BOTH + models)

    assert found.problems == []
    assert found.steps[own_pipeline("m")][1].settings == Reasoning(["think"], "note")
    assert found.steps["pipeline"][1].settings == Reasoning(["think"], "drop")


def test_own_settings_over_another(pipelines):
    """They are put over the pipeline that the model names, by the ids of its steps."""
    models = "models:\n  - {id: m, agent: a, pipeline: silent, settings: {reasoning: {}}}\n"
    found = pipelines(BOTH + models)

    assert found.problems == []
    assert [step.settings for step in found.steps[own_pipeline("m")]] == [
        step.settings for step in found.steps["silent"]
    ]


def test_no_settings(pipelines):
    """A model without settings of its own has no pipeline of its own."""
    found = pipelines(f"{BOTH}models:\n  - {{id: m, agent: a, pipeline: silent}}\n")

    assert found.problems == []
    assert list(found.steps) == ["pipeline", "silent"]


def test_told_once(pipelines):
    """What is wrong with the pipeline is not told again for each model that is put over it."""
    text = (
        f"pipeline:\n  - use: {HERE}:Loud\n    config: {{times: 0}}\n"
        f"models:\n  - {{id: m, agent: a, settings: {{'{HERE}:Loud': {{mode: shut}}}}}}\n"
    )

    assert [problem.path for problem in pipelines(text).problems] == [
        "pipeline[0].config.times",
        f"models[0].settings.{HERE}:Loud.mode",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "pipelines:\n  pipeline: []\n",
            (
                "f.yaml:2:3: pipelines.pipeline: this is what the main one is called;"
                " take another name"
            ),
        ),
        (
            "pipelines:\n  a/b: []\n",
            "f.yaml:2:3: pipelines.a/b: a name has a letter at least, and no /",
        ),
        (
            "routes:\n  - {pipeline: pipelin}\n",
            (
                "f.yaml:2:16: routes[0].pipeline: there is no such pipeline;"
                ' did you mean "pipeline"?'
            ),
        ),
        (
            "models:\n  - {id: m, agent: a, pipeline: x}\n",
            "f.yaml:2:33: models[0].pipeline: there is no such pipeline; there is pipeline",
        ),
    ],
)
def test_wrong(pipelines, text, expected):
    """What leads nowhere is told at its place."""
    assert told(pipelines(text)) == [expected]

from __future__ import annotations

import attrs
import pytest

from gateway.config.steps import Steps
from gateway.config.yamlfile import read
from gateway.errors import ConfigError
from tests.gateway.sample_plugins import HERE, Loud, LoudConfig


@pytest.fixture(name="steps")
def _steps(tmp_path, monkeypatch):
    """Read the steps of a pipeline."""
    monkeypatch.chdir(tmp_path)

    def steps(text):
        (tmp_path / "f.yaml").write_text("pipeline:\n" + text)
        found = Steps(read((tmp_path / "f.yaml").relative_to(tmp_path), {}))
        found.read()
        return found

    return steps


def told(steps):
    return [str(problem) for problem in steps.problems]


def test_step(steps):
    """An entry becomes its plugin with its settings."""
    found = steps(f"  - use: {HERE}:Loud\n    id: loud\n    config: {{times: 3, mode: whisper}}\n")

    assert found.problems == []
    (step,) = found.steps
    assert (step.id, step.use) == ("loud", f"{HERE}:Loud")
    assert step.found.plugin_class is Loud
    assert step.settings == LoudConfig(times=3, mode="whisper")
    assert step.construct().config == LoudConfig(times=3, mode="whisper")


def test_defaults(steps):
    """Id, settings and on_failure have defaults; the last is the plugin's own."""
    found = steps(f"  - use: {HERE}:Loud\n  - use: {HERE}:Quiet\n")

    assert found.problems == []
    assert [step.id for step in found.steps] == [f"{HERE}:Loud", f"{HERE}:Quiet"]
    assert [step.on_failure for step in found.steps] == ["fail", "bypass"]
    assert found.steps[0].settings == LoudConfig()


def test_on_failure(steps):
    """The file's on_failure stands over the plugin's."""
    (step,) = steps(f"  - {{use: '{HERE}:Loud', on_failure: bypass}}\n").steps

    assert step.on_failure == "bypass"


def test_twice(steps):
    """A plugin may stand twice under two ids."""
    found = steps(f"  - use: {HERE}:Loud\n  - use: {HERE}:Loud\n    id: louder\n")

    assert found.problems == []
    assert [step.id for step in found.steps] == [f"{HERE}:Loud", "louder"]


def test_disabled(steps):
    """A disabled step is not looked for, and its settings are not read."""
    found = steps("  - {use: acme.none:X, id: acme, enabled: false, config: {a: 1}}\n")

    assert (found.steps, found.problems) == ([], [])
    assert found.disabled == ["acme"]


def test_disabled_meets_no_need(steps):
    """What is disabled does not stand above anything."""
    found = steps(f"  - {{use: '{HERE}:Loud', enabled: false}}\n  - use: {HERE}:Quiet\n")

    assert told(found) == [
        (
            f"f.yaml:3:10: pipeline[1].use: needs {HERE}:Loud above it, nearer to the client:"
            " it is not in the pipeline"
        )
    ]


def test_needs_order(steps):
    """A step that stands above what it needs says so."""
    found = steps(f"  - use: {HERE}:Quiet\n  - use: {HERE}:Loud\n")

    assert told(found) == [
        (
            f"f.yaml:2:10: pipeline[0].use: needs {HERE}:Loud above it, nearer to the client:"
            " it stands below"
        )
    ]


def test_before(steps):
    """A step that stands below what it has to stand above says so."""
    found = steps(f"  - use: {HERE}:Loud\n  - use: {HERE}:First\n")

    assert told(found) == [
        (
            f"f.yaml:3:10: pipeline[1].use: has to stand above {HERE}:Loud, nearer to the client:"
            " it stands below"
        )
    ]


@pytest.mark.parametrize("others", ["", f"  - use: {HERE}:Loud\n"])
def test_before_is_no_need(steps, others):
    """What it has to stand above may be below it, or not there at all."""
    assert steps(f"  - use: {HERE}:First\n{others}").problems == []


def test_misspelt_need(steps):
    """A misspelt plugin is one mistake: what needs it does not complain as well."""
    found = steps("  - use: agent_resolvr\n  - use: conversation_resolver\n")

    assert told(found) == [
        (
            'f.yaml:2:10: pipeline[0].use: there is no plugin "agent_resolvr";'
            ' did you mean "agent_resolver"?'
        )
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            f"  - use: {HERE}:Loud\n  - use: {HERE}:Loud\n",
            (
                f'f.yaml:3:10: pipeline[1].use: a second step is called "{HERE}:Loud";'
                " tell them apart by id"
            ),
        ),
        (
            f"  - use: {HERE}:Loud\n    id: a\n  - use: {HERE}:Loud\n    id: a\n",
            'f.yaml:5:9: pipeline[1].id: a second step is called "a"; tell them apart by id',
        ),
        (
            f"  - use: {HERE}:Loud\n    config: [a]\n",
            "f.yaml:3:13: pipeline[0].config: expected a mapping, found a list",
        ),
        (
            f"  - use: {HERE}:Loud\n    config:\n",
            "f.yaml:3:5: pipeline[0].config: expected a mapping, found nothing",
        ),
        (
            f"  - use: {HERE}:Loud\n    config: {{times: 0}}\n",
            "f.yaml:3:21: pipeline[0].config.times: must be >= 1: 0",
        ),
        (
            f"  - use: {HERE}:Loud\n    config: {{words: [a, 2]}}\n",
            (
                "f.yaml:3:25: pipeline[0].config.words[1]: expected text, found a whole number"
                " (put it in quotes)"
            ),
        ),
        (
            f"  - use: {HERE}:Loud\n    config: {{token: s3cret}}\n",
            ("f.yaml:3:21: pipeline[0].config.token: must match regex 'tk-.*|' ('…' doesn't)"),
        ),
        (
            f"  - use: {HERE}:Loud\n    on_failur: fail\n",
            'f.yaml:3:5: pipeline[0].on_failur: unknown key; did you mean "on_failure"?',
        ),
        (
            f"  - use: {HERE}:Loud\n    enabled: 'false'\n",
            (
                "f.yaml:3:14: pipeline[0].enabled: expected true or false, found text"
                " (take the quotes away)"
            ),
        ),
        (
            f"  - use: {HERE}:Unread\n",
            "f.yaml:2:10: pipeline[0].use: its config class dict is not an attrs class",
        ),
        ("  - id: a\n", "f.yaml:2:5: pipeline[0].use: is missing"),
        (
            f"  - {HERE}:Loud\n",
            "f.yaml:2:5: pipeline[0]: expected a mapping, found text",
        ),
        (
            f"  - {{use: '{HERE}:Loud', id: a b}}\n",
            "f.yaml:2:52: pipeline[0].id: must be letters, digits and _ . : -",
        ),
    ],
)
def test_problem(steps, text, expected):
    """What is wrong with a step is told at its place."""
    assert told(steps(text)) == [expected]


def test_all_at_once(steps):
    """An entry that is wrong itself has its plugin and settings checked all the same."""
    found = steps(
        f"  - use: {HERE}:Loud\n    on_failure: no\n    config: {{times: x}}\n"
        "  - use: acme.none:X\n    enabled: maybe\n    config: {a: 1}\n"
    )

    assert [problem.path for problem in found.problems] == [
        "pipeline[0].on_failure",
        "pipeline[0].config.times",
        "pipeline[1].enabled",
        "pipeline[1].use",
    ]


@pytest.mark.parametrize("text", ["  {}\n", "  x\n"])
def test_no_list(steps, text):
    """A pipeline that is no list has no steps; the file's own check tells why."""
    assert steps(text).steps == []


def test_construct(steps):
    """A plugin that cannot be made is told at its place."""
    (step,) = steps(f"  - use: {HERE}:Failing\n").steps

    with pytest.raises(ConfigError) as caught:
        step.construct()

    assert str(caught.value).startswith(
        f"f.yaml:2:10: pipeline[0]: {HERE}:Failing cannot be made: RuntimeError: no luck"
    )


def test_frozen(steps):
    """A step cannot be changed."""
    (step,) = steps(f"  - use: {HERE}:Loud\n").steps

    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        step.id = "other"

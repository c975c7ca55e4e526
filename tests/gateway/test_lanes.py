"""The pipelines in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway import config
from gateway.config import Config
from gateway.config.steps import BUILT_IN
from gateway.lanes import as_json, lanes, report, steps


SEVERAL = """\
keys:
  - {name: web, key: one}
pipeline:
  - use: agent_resolver
  - use: conversation_resolver
  - use: reasoning_mapper
pipelines:
  silent:
    - use: agent_resolver
    - {use: guard, enabled: false}
    - use: conversation_resolver
  unused: []
models:
  - {id: brief, agent: Milo, pipeline: silent}
  - {id: free, agent: Milo}
  - id: own
    agent: Ada
    settings: {reasoning_mapper: {into: []}, conversation_resolver: {tasks: empty}}
routes:
  - {pipeline: silent, models: ["milo-*", ada], keys: [web]}
"""


@pytest.fixture(name="several")
def _several(tmp_path: Path) -> Config:
    """A configuration with several pipelines."""
    file = tmp_path / "gateway.yaml"
    file.write_text(SEVERAL)
    return config.load(file, environ={})


def test_lanes() -> None:
    """Requests go down the list and events come up it, and both are shown."""
    loaded = config.load(None, environ={})

    ids = [step["id"] for step in steps(loaded)]
    assert ids == list(BUILT_IN)
    assert lanes(loaded) == [
        f"requests  client → {' → '.join(ids)} → Letta",
        f"events    client ← {' ← '.join(ids)} ← Letta",
    ]


def test_several(several: Config) -> None:
    """Each pipeline has its lanes, and says what comes to it."""
    assert lanes(several) == [
        "pipeline: all that no route takes",
        "  requests  client → agent_resolver → conversation_resolver → reasoning_mapper → Letta",
        "  events    client ← agent_resolver ← conversation_resolver ← reasoning_mapper ← Letta",
        "silent: route 1, models milo-*, ada of keys web; model brief",
        "  requests  client → agent_resolver → conversation_resolver → Letta",
        "  events    client ← agent_resolver ← conversation_resolver ← Letta",
        "unused: no route and no model leads here",
        "  requests  client → Letta",
        "  events    client ← Letta",
    ]


def test_models(several: Config) -> None:
    """Each model tells who answers, through what, and which steps have settings of its own."""
    lines = report(several, None)

    assert [line for line in lines if line.startswith("model ")] == [
        "model brief: the agent Milo, through silent",
        "model free: the agent Milo, as the routes decide",
        (
            "model own: the agent Ada, through pipeline, with its own settings of"
            " reasoning_mapper, conversation_resolver"
        ),
    ]
    assert lines[-1] == "disabled: guard"


def test_json(several: Config) -> None:
    """Programs get all of it, without the values of settings."""
    told = as_json(several)

    assert {name: [step["id"] for step in steps] for name, steps in told["pipelines"].items()} == {
        "pipeline": ["agent_resolver", "conversation_resolver", "reasoning_mapper"],
        "silent": ["agent_resolver", "conversation_resolver"],
        "unused": [],
    }
    assert told["routes"] == [{"pipeline": "silent", "models": ["milo-*", "ada"], "keys": ["web"]}]
    assert told["models"][2] == {
        "id": "own",
        "agent": "Ada",
        "pipeline": None,
        "settings": ["conversation_resolver", "reasoning_mapper"],
    }
    assert told["disabled"] == ["guard"]


def test_folded() -> None:
    """At a terminal no line is wider than it is."""
    lines = report(config.load(None, environ={}), 80)

    assert max(map(len, lines)) <= 80
    assert not any("…" in line for line in lines)


def test_ids_stand_for_plugins(tmp_path: Path) -> None:
    """A step is shown by its id: a plugin may stand at two places. Disabled ones are not run."""
    file = tmp_path / "gateway.yaml"
    file.write_text(
        "pipeline:\n"
        "  - {use: reasoning_mapper, id: first}\n"
        "  - {use: reasoning_mapper, id: second, on_failure: fail}\n"
        "  - {use: agent_resolver, enabled: false}\n"
    )
    loaded = config.load(file, environ={})

    assert lanes(loaded)[0] == "requests  client → first → second → Letta"
    assert [(step["id"], step["plugin"], step["on_failure"]) for step in steps(loaded)] == [
        ("first", "reasoning_mapper", "bypass"),
        ("second", "reasoning_mapper", "fail"),
    ]


def test_origins() -> None:
    """Every step tells which package it comes from."""
    loaded = config.load(None, environ={})

    assert {step["origin"].split()[0] for step in steps(loaded)} == {"letta-gateway"}

"""The pipeline in words."""

from __future__ import annotations

from pathlib import Path

from gateway import config
from gateway.lanes import lanes, steps


def test_lanes() -> None:
    """Requests go down the list and events come up it, and both are shown."""
    loaded = config.load(None, environ={})

    ids = ["agent_resolver", "conversation_resolver", "reasoning_mapper", "newline_reconstructor"]
    assert lanes(loaded) == [
        f"requests  client → {' → '.join(ids)} → Letta",
        f"events    client ← {' ← '.join(ids)} ← Letta",
    ]


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

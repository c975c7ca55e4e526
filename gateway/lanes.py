"""The pipeline in words: which way requests and events go, and what each step is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.config import Config


def lanes(config: Config) -> list[str]:
    """Both lanes, as they are run."""
    ids = [step.id for step in config.pipeline]
    down = " → ".join(["client", *ids, "Letta"])
    up = " ← ".join(["client", *ids, "Letta"])
    return [f"requests  {down}", f"events    {up}"]


def steps(config: Config) -> list[Mapping[str, Any]]:
    """Each step: its plugin, where that comes from, and what happens when it fails."""
    return [
        {
            "id": step.id,
            "plugin": step.found.name,
            "origin": step.found.origin,
            "on_failure": step.on_failure,
        }
        for step in config.pipeline
    ]

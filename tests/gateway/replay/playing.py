"""A recording, played through a pipeline as the command does."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import loguru

from gateway import config
from gateway.replay.lane import probed, standing
from gateway.replay.recording import Recording, read
from gateway.replay.request import agent_of
from gateway.replay.rows import Rows


async def replayed(recording: Recording | str, tmp_path: Path | None = None, *steps: Any) -> Rows:
    """The rows of a replay through these steps, or through the built-in pipeline."""
    if isinstance(recording, str):
        recording = read(recording)
    loaded = configured(tmp_path, steps)
    async with (
        standing(loaded.pipeline, recording, agent_of(recording), loguru.logger) as base,
        probed(base) as (lane, rows),
    ):
        await lane.play()
    rows.end()
    return rows


def configured(tmp_path: Path | None, steps: Sequence[Any]) -> config.Config:
    if tmp_path is None:
        return config.load(None, environ={})
    path = tmp_path / "gateway.yaml"
    path.write_text(json.dumps({"pipeline": list(steps)}))
    return config.load(path, environ={})

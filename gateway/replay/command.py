"""`letta-gateway replay`: see what each plugin makes of a recorded stream."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway import logs
from gateway.call import Agent
from gateway.config import Config, load
from gateway.config.steps import StepSettings
from gateway.errors import StartError
from gateway.names import meant
from gateway.replay.as_json import report
from gateway.replay.lane import probed, standing
from gateway.replay.recording import Recording, read
from gateway.replay.request import agent_of, streaming_of
from gateway.replay.rows import Rows
from gateway.replay.table import printed
from gateway.replay.timing import Cost, costs


if TYPE_CHECKING:
    from loguru import Logger


@attrs.frozen
class Replay:
    """What is to be replayed, and what came of it."""

    recording: Recording
    agent: Agent
    rows: Rows
    costs: Sequence[Cost] = ()

    def notes(self) -> Iterator[str]:
        """What one has to know to read it."""
        name = self.recording.name
        yield f"{name}: {len(self.recording.blocks)} events of a {self.agent.type}"
        if self.recording.truncated:
            yield "It is truncated: it stops in the middle of an event, as a broken stream does."
        if (came := streaming_of(self.recording)) != self.rows.streaming:
            yield f"It came in {came}; this pipeline would have asked for {self.rows.streaming}."


def run(
    named: str,
    file: Path | None,
    *,
    pipeline: str | None,
    agent_type: str | None,
    timed: bool,
    as_json: bool,
) -> None:
    """
    Replay a recording and print it; exit status 1 if a plugin has broken the answer.

    Raises:
        GatewayError: It cannot be read, the file is wrong, or a plugin refuses the request.
    """
    recording = read(named)
    steps = _chosen(load(file, environ=os.environ), pipeline)
    agent = agent_of(recording, agent_type)
    logger = logs.configure("text", "warning")
    replay = asyncio.run(_replay(recording, steps, agent, logger, timed=timed))
    if as_json:
        told = report(replay.recording, replay.agent, replay.rows, replay.costs)
        click.echo(json.dumps(told, indent=2))
    else:
        _print(replay, Console(highlight=False))
    if replay.rows.broken:
        unmeasured = ", and nothing was measured" if timed else ""
        click.echo(f"letta-gateway: the answer ends in an error{unmeasured}", err=True)
        sys.exit(1)


def _chosen(config: Config, pipeline: str | None) -> Sequence[StepSettings]:
    if pipeline is None:
        return config.pipeline
    if pipeline not in config.pipelines:
        raise StartError(f"There is no pipeline {pipeline}; {meant(pipeline, config.pipelines)}")
    return config.pipelines[pipeline]


async def _replay(
    recording: Recording,
    steps: Sequence[StepSettings],
    agent: Agent,
    logger: Logger,
    *,
    timed: bool,
) -> Replay:
    async with standing(steps, recording, agent, logger) as base:
        async with probed(base) as (lane, rows):
            await lane.play()
        rows.end()
        taken: Sequence[Cost] = ()
        if timed and not rows.broken:
            logs.silence()  # what there is to say has been said
            taken = await costs(base)
    return Replay(recording, agent, rows, taken)


def _print(replay: Replay, console: Console) -> None:
    for note in replay.notes():
        console.print(Text(note))
    console.print()
    printed(console, replay.rows)
    if replay.costs:
        console.print()
        console.print(_table(replay.costs))


def _table(taken: Sequence[Cost]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("step")
    for column in ("events", "µs per event"):
        table.add_column(column, justify="right")
    for cost in taken:
        took = f"{cost.microseconds:.2f}" if cost.events else "–"
        table.add_row(cost.step, str(cost.events), took)
    table.caption = f"median of {taken[0].repetitions} replays" if taken else None
    table.caption_justify = "left"
    return table

"""The plugins of a request: their order, isolation and timers, and its end.

pipeline   the steps of a YAML list, and the way in
exchange   one request, until everything is put away
asked      Letta's answer to it, asked once more if a turn wants that
reader     its batches as they come; a read that waits can be left
chain      the turns as one: events rise through them
guard      isolation around each turn      watch   how long a plugin takes, what it starts
order      what each may emit              wrapped a plugin that takes the flow itself
"""

from __future__ import annotations

from gateway.pipeline.pipeline import Answers, Pipeline, Step


__all__ = ["Answers", "Pipeline", "Step"]

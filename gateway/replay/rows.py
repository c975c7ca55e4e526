"""What has been seen of a replay: a row for each event of Letta's, a place for each stage."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs

from gateway.events import Ending, Error, Event
from gateway.plugin import Context, NoConfig, Plugin, Turn
from gateway.replay.recording import Block


@attrs.define
class Row:
    """
    What happened when `block` had come; None: when the stream was over.

    `stages` begins with what the decoder made of it; then what each step let through, from
    Letta's side up. `wire` is what the client was sent.
    """

    block: Block | None
    stages: list[list[Event]]
    wire: bytes = b""

    @property
    def empty(self) -> bool:
        """Whether nothing happened."""
        return not self.wire and not any(self.stages)

    def changed(self, stage: int) -> bool:
        """Whether a step let through something else than it was given."""
        return self.stages[stage] != self.stages[stage - 1]


@attrs.define
class Rows:
    """The rows of one replay through `steps`, which are named from Letta's side up."""

    steps: Sequence[str]
    rows: list[Row] = attrs.field(factory=list)
    status: int = 200
    """What the client is told before anything else."""
    streaming: str = "tokens"
    """How Letta was asked to stream, in the end."""
    ending: Ending | None = None
    """How the answer ended for the client."""
    failed: Sequence[str] = ()
    """The steps that have failed, whatever that meant for the answer."""

    def begin(self, block: Block | None) -> None:
        """From now on, what happens is because of this."""
        self.rows.append(Row(block, [[] for _ in range(len(self.steps) + 1)]))

    def saw(self, stage: int, event: Event) -> None:
        """An event has come out of a stage."""
        self._row().stages[stage].append(event)

    def sent(self, data: bytes) -> None:
        """The client has been sent this."""
        self._row().wire += data

    def end(self) -> None:
        """Nothing more happens."""
        self.rows = [row for row in self.rows if row.block is not None or not row.empty]

    @property
    def broken(self) -> bool:
        """Whether a step has made a failure of an answer that was none at Letta."""
        at_letta = (event for row in self.rows for event in row.stages[0])
        return isinstance(self.ending, Error) and not any(
            isinstance(event, Error) for event in at_letta
        )

    @property
    def changing(self) -> Sequence[int]:
        """The stages that have changed something in some row."""
        stages = range(1, len(self.steps) + 1)
        return [stage for stage in stages if any(row.changed(stage) for row in self.rows)]

    def _row(self) -> Row:
        if not self.rows:  # a plugin has answered, and Letta was not asked
            self.begin(None)
        return self.rows[-1]


class Probe(Plugin[NoConfig]):
    """Stands between two steps, lets everything through, and notes it."""

    def __init__(self, rows: Rows, stage: int) -> None:
        super().__init__(NoConfig())
        self.rows, self.stage = rows, stage

    def begin(self, context: Context) -> Turn:
        """A turn for the one request."""
        return ProbeTurn(self.rows, self.stage)


@attrs.define
class ProbeTurn(Turn):
    """Notes what goes by."""

    rows: Rows
    stage: int

    def feed(self, event: Event) -> Iterable[Event]:
        """Let it through."""
        self.rows.saw(self.stage, event)
        return (event,)

"""A replay for people: a table with a column for each stage, or a listing where that is too wide.

A step that changes nothing has no column. A cell shows what is different from the one before
it: `·` has let it through, `–` has kept or dropped it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from gateway.replay.rows import Row, Rows
from gateway.replay.words import of_block, of_events, of_wire


# A column that is narrower than this breaks words.
NARROWEST = 17
GAP = 2

SAME, NOTHING = "·", "–"


def shown(rows: Rows, width: int) -> RenderableType:
    """The rows, for a terminal of this width."""
    needed = sum(max(NARROWEST, len(name)) + GAP for name in _columns(rows)) - GAP
    return _table(rows) if needed <= width else _listing(rows)


def unchanging(rows: Rows) -> Sequence[str]:
    """The steps that have let everything through, from the client's side to Letta's."""
    others = {*rows.failed, *(rows.steps[i - 1] for i in rows.changing)}
    return [step for step in reversed(rows.steps) if step not in others]


def _table(rows: Rows) -> RenderableType:
    table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="bold")
    for name in _columns(rows):
        table.add_column(name, overflow="fold", min_width=max(NARROWEST, len(name)))
    for row in rows.rows:
        table.add_row(*map(_cell, _cells(rows, row)))
    return table


def _columns(rows: Rows) -> Sequence[str]:
    sent = "sent" if rows.status == 200 else f"sent, as HTTP {rows.status}"
    return ["Letta", "decoded", *(rows.steps[i - 1] for i in rows.changing), sent]


def _cells(rows: Rows, row: Row) -> Iterator[str]:
    yield of_block(row.block)
    yield of_events(row.stages[0])
    for stage in rows.changing:
        yield _changed(row, stage)
    yield of_wire(row.wire)


def _changed(row: Row, stage: int) -> str:
    if not row.changed(stage):
        return SAME if row.stages[stage] else ""
    return of_events(row.stages[stage]) or NOTHING


def _cell(text: str) -> Text:
    return Text(text, style="dim" if text == SAME else "")


def _listing(rows: Rows) -> RenderableType:
    """A block of lines for each event of Letta's."""
    _, *names = _columns(rows)
    table = Table.grid(padding=(0, GAP))
    table.add_column(style="bold", no_wrap=True, max_width=24)
    table.add_column(overflow="fold")
    for row in rows.rows:
        what, *cells = _cells(rows, row)
        table.add_row("Letta", _cell(what))
        for name, text in zip(names, cells, strict=True):
            if text and text != SAME:
                table.add_row(f"  {name}", _cell(text))
    return table


def printed(console: Console, rows: Rows) -> None:
    """Print it all."""
    console.print(shown(rows, console.width))
    if rows.failed:
        console.print(Text(f"\nfailed: {', '.join(rows.failed)}", style="bold"))
    if same := unchanging(rows):
        console.print(Text(f"\nunchanged by: {', '.join(same)}", style="dim"))

"""People are told what a tool does, not what it is called."""

from __future__ import annotations

import pytest

from gateway.events import (
    Event,
    Finish,
    Status,
    TextDelta,
    ToolArgsDelta,
    ToolCallStart,
    ToolResult,
)
from gateway.testing import kit
from letta_status_lines.plugin import Config, StatusLines


CONFIG = Config(lines={"note": "Taking a note…", "search": "Looking for “{query}”…"})


def plugin() -> StatusLines:
    return StatusLines(CONFIG)


def used(name: str, arguments: str = "{}", *, ok: bool = True) -> list[Event]:
    return [ToolCallStart("c", name), ToolArgsDelta("c", arguments), ToolResult("c", "x", ok=ok)]


async def shown(*events: Event) -> list[Event]:
    out = await kit.run(plugin(), [*events, Finish()])
    kit.assert_grammar(out)
    return out[:-1]


async def test_a_line() -> None:
    """The tool itself is gone; its line stays until it has done its work."""
    assert await shown(*used("note")) == [
        Status("Taking a note…"),
        Status("Taking a note…", done=True),
    ]


async def test_a_line_with_an_argument() -> None:
    """What is searched for is said as soon as it is known."""
    assert await shown(*used("search", '{"query": "black\\ncats"}')) == [
        Status("Working…"),
        Status("Looking for “black cats”…"),
        Status("Looking for “black cats”…", done=True),
    ]


@pytest.mark.parametrize("arguments", ['{"q": 1}', '{"query": ["a"]}', '{"query": "a', "[]"])
async def test_missing_arguments(arguments: str) -> None:
    """Whatever the model makes of its arguments, there is a line."""
    assert await shown(*used("search", arguments)) == [
        Status("Working…"),
        Status("Working…", done=True),
    ]


async def test_other_tools() -> None:
    """A tool that the file does not name has a line, too."""
    assert (await shown(*used("rm_rf")))[0] == Status("Working…")


async def test_failures() -> None:
    """That a tool failed is said."""
    assert (await shown(*used("note", ok=False)))[-1] == Status("That did not work.", done=True)


async def test_long_arguments() -> None:
    """A line stays a line."""
    line = (await shown(*used("search", '{"query": "' + "x" * 500 + '"}')))[1]
    assert line == Status("Looking for “" + "x" * 60 + "…”…")


async def test_the_clients_tools_stay() -> None:
    """They are the client's to run, and to show."""
    call: list[Event] = [ToolCallStart("c", "note", client_side=True), ToolArgsDelta("c", "{}")]
    assert await shown(*call) == call


async def test_cuts_do_not_matter() -> None:
    """Arguments are whole when they are, wherever they are cut."""
    arguments = '{"filter": {"a": 1}, "query": "cats {and} dogs"} '
    events: list[Event] = [TextDelta("Hm", "m"), *used("search", arguments), Finish()]
    await kit.assert_split_invariant(plugin, events)

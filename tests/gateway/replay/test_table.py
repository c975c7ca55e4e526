from __future__ import annotations

import io

import pytest
from rich.console import Console

from gateway.replay.table import printed, unchanging
from tests.gateway.replay.playing import replayed


async def shown(name: str, width: int) -> list[str]:
    out = io.StringIO()
    printed(Console(file=out, width=width), await replayed(name))
    return [line.rstrip() for line in out.getvalue().splitlines()]


@pytest.mark.parametrize("width", [50, 80, 120, 200])
@pytest.mark.parametrize("name", ["v1-bsn-tok", "ct-mixed-call-tok", "v1-unicode-tok"])
async def test_it_fits(name, width):
    """No line is longer than the terminal is wide."""
    lines = await shown(name, width)
    assert max(map(len, lines)) <= width


@pytest.mark.parametrize("width", [80, 200])
async def test_a_column_for_each_stage(width):
    """Only steps that change something have one, and what they leave alone is a dot."""
    lines = await shown("v1-bsn-tok", width)

    assert lines[0].split() == ["Letta", "decoded", "newline_reconstructor", "sent"]
    assert any("·" in line for line in lines)
    assert "unchanged by: agent_resolver, " in "\n".join(lines)


async def test_a_listing_where_the_table_is_too_wide():
    """A narrow terminal shows the same, one below the other."""
    lines = await shown("v1-bsn-tok", 60)

    assert lines[0].split()[0] == "Letta"
    assert any(line.startswith("  newline_reconstructor ") for line in lines)
    assert any(line.startswith("  sent ") for line in lines)


async def test_an_http_status():
    """An answer that is an error from the start says so."""
    lines = await shown("v1-err429-tok", 120)
    assert lines[0].endswith("sent, as HTTP 429")


async def test_what_changes_nothing():
    """The steps are named from the client's side."""
    assert unchanging(await replayed("v1-plain-tok"))[0] == "agent_resolver"

from __future__ import annotations

import sys
from xml.etree import ElementTree

from tests.docs.pages import ROOT
from tests.docs.running import run


async def test_a_picture_of_a_stream(gateway, tmp_path):
    """The picture of the README can be made again: a stream's pieces, and what they add up to."""
    svg = tmp_path / "stream.svg"

    await run(sys.executable, ROOT / "docs" / "make_stream_svg.py", gateway.url, svg)

    assert words(svg) >= {"Milo", "reasoning_content", "finish_reason", "Thinker"}


def test_the_picture_is_one():
    """What is shipped is such a picture, and fetches nothing."""
    svg = ROOT / "docs" / "stream.svg"

    assert words(svg) >= {"Milo", "reasoning_content", "finish_reason"}
    assert "url(http" not in svg.read_text()


def words(svg) -> set[str]:
    """All words in a picture."""
    text = " ".join(ElementTree.parse(svg).getroot().itertext())
    return set("".join(c if c.isalnum() or c == "_" else " " for c in text).split())

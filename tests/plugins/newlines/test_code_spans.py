"""Where code begins and ends."""

from __future__ import annotations

import pytest

from plugins.newlines.code_spans import CodeSpans


def marked(text: str) -> str:
    """A `#` for each character of `text` that is code once it has begun, a `.` for others."""
    spans = CodeSpans()
    out = []
    for character in text:
        if character == "\n":
            out.append("#" if spans.line_end_inside else ".")
            spans.line()
        elif character == "x":
            out.append("#" if spans.inside else ".")
            spans.feed(character)
        else:
            out.append(character)
            spans.feed(character)
    return "".join(out)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x`x`x", ".`#`."),
        ("x``x`x``x", ".``#`#``."),
        ("x`x", ".`#"),
        ("x`x``x", ".`#``#"),
        ("```x\nx\n```\nx", "```####```.."),
        ("````x\n```\nx\n````\nx", "````##```###````.."),
        ("```x\n  x```x\nx", "```##  #```###"),
        ("```x\n```x\nx", "```##```###"),
        ("```x\n  ```  \nx", "```##  ```  .."),
        ("```x\n`````\nx", "```##`````.."),
        ("```x```x\nx", "```#```..."),
        ("x ```x\nx```x", ". ```###```."),
        ("~~~x\n```\nx\n~~~\nx", "~~~##```###~~~.."),
        ("~~x~~x", "~~.~~."),
        ("x ~~~x", ". ~~~."),
        ("  ```x\nx\n```\nx", "  ```####```.."),
        ("> ```x\nx\n> ```\nx", "> ```####> ```.."),
        ("```x\n``` ```\nx", "```##``` ```##"),
    ],
)
def test_code(text: str, expected: str) -> None:
    """Fences and inline code as CommonMark has them; what is never closed is code to the end."""
    assert marked(text) == expected


def test_pieces() -> None:
    """A run of ticks that comes in pieces is one run."""
    spans = CodeSpans()
    for piece in ("a ``", "`", "b", "`", "``"):
        spans.feed(piece)
    assert not spans.inside


def test_paragraph() -> None:
    """A blank line ends inline code, but no fence."""
    inline, fenced = CodeSpans(), CodeSpans()
    inline.feed("a ` b")
    fenced.feed("```")
    fenced.line()
    inline.paragraph()
    fenced.paragraph()
    assert not inline.inside
    assert fenced.inside

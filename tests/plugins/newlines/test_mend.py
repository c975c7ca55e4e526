"""A message that is proven to be escaped twice is repaired from there on."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.newlines.mend import Mender


def mended(text: str, *, sure: bool = False) -> str:
    """The text as it comes out, fed whole."""
    mender = Mender("sure" if sure else "unknown")
    return mender.feed(text) + mender.end()


def escaped(text: str) -> str:
    """The text as a model writes it that escapes twice."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


@pytest.mark.parametrize(
    "text",
    [
        "| a | b |\n|---|---|\n| 1 | 2 |",
        "Sure:\n\n1. one\n2. two\n\nDone.",
        '# Title\n\nHe said "yes".\tThen C:\\new\\table.\r\nNext.',
        "Here it is.\n\nThe gradient $\\nabla f$, and \\n is a newline.",
        "Guten Tag!\n\nSchöne Grüße 🎉\n- eins\n- zwei",
    ],
)
def test_repairs(text: str) -> None:
    """A whole message comes out as it was meant, every escape of it undone once."""
    assert mended(escaped(text)) == text


def test_only_line_breaks_are_escaped() -> None:
    """In a message with bare quotes only line breaks are undone: it was not escaped by JSON."""
    text = 'Use "x\\ty" here:\\n\\n- say "c\\nd"\\n- \\\\e'
    assert mended(text) == 'Use "x\\ty" here:\n\n- say "c\\nd"\n- \\\\e'


def test_nothing_before_the_proof() -> None:
    """What came before the proof has gone out as it was; hints add up to a proof."""
    assert mended("Ann\\nBob\\nEve\\nTom") == "Ann\\nBob\nEve\nTom"


def test_a_real_line_break() -> None:
    """A message with a real line break is not escaped, whatever follows."""
    assert mended("One.\nTwo:\\n- three\\n\\nFour.") == "One.\nTwo:\\n- three\\n\\nFour."
    assert mended("One:\\n- two\nThree:\\n- four") == "One:\n- two\nThree:\\n- four"


def test_latex_is_kept() -> None:
    """LaTeX commands stay whole even where a model has escaped its line breaks only."""
    assert mended("So:\\n\\n$\\nabla f \\neq \\theta$\\n\\nDone.") == (
        "So:\n\n$\\nabla f \\neq \\theta$\n\nDone."
    )


@pytest.mark.parametrize(
    "code",
    [
        '`print("a.\\n- b")`',
        "``|\\n| `x``",
        '```python\\nprint(\\"a\\\\n\\")\\n```',
        "~~~\\na.\\n\\nB\\n~~~",
        "````md\\n```\\n- x\\n```\\n````",
    ],
)
@pytest.mark.parametrize("sure", [False, True])
def test_code_is_never_changed(code: str, sure: bool) -> None:
    """Not a character of code changes, in a proven message either, and it proves nothing."""
    assert mended(code, sure=sure) == code
    text = f"Look:\\n\\n{code}\\n\\n- {code.replace('~~~', '```')} there\\n"
    assert mended(text, sure=sure).count(code) == (1 if "~" in code else 2)
    assert mended(f"{code}\\n\\nThen.", sure=sure) == f"{code}\n\nThen."


@given(
    st.lists(
        st.sampled_from(
            ["word ", "Some. ", "- item\n", "\n\n", '"q" ', " `c\\n` ", "\n```\nx\\n\n```\n"]
        ),
        max_size=12,
    ).map("".join)
)
def test_code_of_any_message(text: str) -> None:
    """Whatever surrounds it, inline code and fences come out as they came."""
    out = mended("Hi:\\n\\n" + escaped(text), sure=True)
    for code in ("`c\\n`", "```\nx\\n\n```"):
        assert out.count(escaped(code)) == text.count(code)


def test_an_escaped_tick_is_no_code() -> None:
    """A tick behind a backslash opens nothing outside of code, and closes code inside."""
    assert mended("A \\` tick:\\n- one") == "A \\` tick:\n- one"
    assert mended("A `\\` slash:\\n- one") == "A `\\` slash:\n- one"


def test_an_open_tick_keeps_the_rest() -> None:
    """What may still become code is left alone."""
    assert mended("A ` tick:\\n- one") == "A ` tick:\\n- one"


def test_sure() -> None:
    """When it is sure it needs no proof, and real line breaks do not stop it."""
    assert mended("One\\ntwo", sure=True) == "One\ntwo"
    assert mended("One\ntwo\\nthree `a\nb\\n`", sure=True) == "One\ntwo\nthree `a\nb\\n`"
    assert mended("One ` two\n\nthree\\nfour", sure=True) == "One ` two\n\nthree\nfour"


def test_held() -> None:
    """An undecided piece is held, 16 bytes at most, and goes out when more has come."""
    mender = Mender()
    assert mender.feed("Done\\n") == "Done"
    assert mender.held == "\\n"
    assert mender.feed("- ") == ""
    assert mender.feed("x") == "\n- x"
    assert mender.held == ""


def test_let_go_concludes_nothing() -> None:
    """What time has let go went out as it was, and is no evidence."""
    mender = Mender()
    assert mender.feed("Done:\\n- ") == "Done:"
    assert mender.let_go() == "\\n- "
    assert mender.feed("x, so\\n- y") == "x, so\n- y"


def test_let_go_in_a_proven_message() -> None:
    """There, a whole escape is undone when time lets it go; half of one stays as it is."""
    mender = Mender("sure")
    assert mender.feed("a \\n") == "a "
    assert mender.let_go() == "\n"
    assert mender.feed("b\\") == "b"
    assert mender.let_go() == "\\"
    assert mender.feed('"c\\" d\\\\') == '"c" d\\'


def test_lengths_are_no_quotations() -> None:
    """A double quote behind a number opens no quotation."""
    assert mended('The 5" disk:\\n- one') == 'The 5" disk:\n- one'


def test_counts() -> None:
    """It counts the escapes that it has undone."""
    mender = Mender()
    mender.feed('Yes:\\n\\n- \\"a\\"\\n- `\\n`')
    mender.end()
    assert mender.undone == 5


@given(st.lists(st.sampled_from(["\\", "n", "|", "- ", "`", "```", '"', "A.", "\n", "é", "u00e9"])))
def test_any_cut(parts: list[str]) -> None:
    """The same comes out however the text is cut."""
    mender = Mender()
    pieces = [mender.feed(part) for part in parts]
    assert "".join([*pieces, mender.end()]) == mended("".join(parts))


@given(st.text('\\nrtu"/09aZ.|-# `\n🎉', max_size=80))
def test_nothing_is_lost(text: str) -> None:
    """Never more than 16 bytes are held, and what is not undone comes out as it came."""
    mender = Mender()
    out = ""
    for character in text:
        out += mender.feed(character)
        assert len(mender.held.encode()) <= 16
    out += mender.end()
    if not mender.undone:
        assert out == text

from __future__ import annotations

import pytest

from gateway.config.variables import FromEnvironment, expand, written


ENVIRON = {"PORT": "8000", "HOST": "here", "EMPTY": "", "KEY": "s3cret"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("${HOST}", "here"),
        ("http://${HOST}:${PORT}/v1", "http://here:8000/v1"),
        ("${NOPE:-there}", "there"),
        ("${NOPE:-}", ""),
        ("${NOPE:-http://a:1/b}", "http://a:1/b"),
        ("${EMPTY:-full}", "full"),
        ("${EMPTY}", ""),
        ("${HOST:-there}", "here"),
        ("$HOST ${HOST}", "$HOST here"),
        ("$${HOST}", "${HOST}"),
        ("$$", "$$"),
    ],
)
def test_expand(text, expected):
    """Variables are replaced, with the default for those that are unset or empty."""
    expansion = expand(text, ENVIRON)

    assert expansion.text == expected
    assert expansion.mistakes == ()


def test_unset():
    """Every unset variable is named."""
    expansion = expand("${ONE}-${HOST}-${TWO}", ENVIRON)

    assert expansion.mistakes == (
        "${ONE} is not set in the environment",
        "${TWO} is not set in the environment",
    )


@pytest.mark.parametrize("text", ["${", "${}", "${1}", "${A B}", "${A", "${A:-${B}}", "${A-b}"])
def test_malformed(text):
    """What begins like a variable and is none is a mistake, not text."""
    (mistake,) = expand(text, {"B": "b"}).mistakes

    assert mistake.startswith("write ${NAME}")


def test_read():
    """The values that came from the environment are known, defaults are not among them."""
    expansion = expand("${KEY} ${NOPE:-default} ${EMPTY}", ENVIRON)

    assert expansion.read == frozenset({"s3cret"})
    assert "s3cret" not in repr(expansion)


@pytest.mark.parametrize(
    ("text", "alone"),
    [("${PORT}", True), ("${NOPE:-1}", True), ("${PORT}0", False), ("8000", False)],
)
def test_alone(text, alone):
    """Only text that is one variable and nothing else may become another type."""
    assert isinstance(expand(text, ENVIRON).text, FromEnvironment) is alone


def test_source():
    """Such text knows what the file says, which can be shown in place of its value."""
    text = expand("${PORT:-1}", ENVIRON).text

    assert isinstance(text, FromEnvironment)
    assert text.source == "${PORT:-1}"


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("12", int, True),
        ("-12", int, True),
        ("1.0", int, False),
        ("1_000", int, False),
        (" 12", int, False),
        ("", int, False),
        ("1.5", float, True),
        ("12", float, True),
        ("1e3", float, True),
        ("inf", float, False),
        ("nan", float, False),
        ("true", bool, True),
        ("false", bool, True),
        ("True", bool, False),
        ("1", bool, False),
        ("12", str, False),
    ],
)
def test_written(text, kind, expected):
    """Numbers and true/false have one form each."""
    assert written(text, kind) is expected

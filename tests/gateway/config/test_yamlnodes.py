from __future__ import annotations

import pytest
from ruamel.yaml import YAML

from gateway.config.yamlnodes import Place, Reader, as_text
from gateway.errors import ConfigError


def read(text, environ=None):
    reader = Reader("f.yaml", environ or {})
    return reader.read(YAML(typ="safe", pure=True).compose(text)), reader


def problems(text):
    return [str(problem) for problem in read(text)[1].problems]


def test_as_text():
    """A path is written as in most languages."""
    assert as_text(("pipeline", 1, "config", "by", 0)) == "pipeline[1].config.by[0]"
    assert as_text((0, "a")) == "[0].a"
    assert as_text(()) == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{a: 1, b: [x, 2.5]}", {"a": 1, "b": ["x", 2.5]}),
        ("a: null", {"a": None}),
        ("a: ~", {"a": None}),
        ("a:", {"a": None}),
        ("a: true", {"a": True}),
        ("a: yes", {"a": "yes"}),
        ("a: off", {"a": "off"}),
        ("a: '12'", {"a": "12"}),
        ("a: 0x10", {"a": 16}),
        ("a: 010", {"a": 10}),
        ("a: 2024-01-01", {"a": "2024-01-01"}),
        ("a: |\n  x\n  y\n", {"a": "x\ny\n"}),
        ("a: &x [1]\nb: *x\n", {"a": [1], "b": [1]}),
    ],
)
def test_read(text, expected):
    """Nodes become plain data, by the rules of YAML 1.2; dates stay text."""
    assert read(text)[0] == expected


def test_places():
    """Each value and each key has its place."""
    _, reader = read("a: 1\nb:\n  - c: x\n  -   y\n")

    assert reader.places["a",] == Place("f.yaml", 1, 4)
    assert reader.places["b", 0] == Place("f.yaml", 3, 5)
    assert reader.places["b", 0, "c"] == Place("f.yaml", 3, 8)
    assert reader.keys["b", 0, "c"] == Place("f.yaml", 3, 5)
    assert reader.places["b", 1] == Place("f.yaml", 4, 7)


def test_place_of_nothing():
    """A value that is left out has the place of its key."""
    assert read("a:\n\nb: 1\n")[1].places["a",] == Place("f.yaml", 1, 1)


def test_variables():
    """Variables are replaced in values, quoted or not, and their values are known as secret."""
    data, reader = read("a: ${X}\nb: ['${X}', \"-${X}\"]\n${X}: 1\n", {"X": "s3cret"})

    assert data == {"a": "s3cret", "b": ["s3cret", "-s3cret"], "${X}": 1}
    assert reader.secrets == {"s3cret"}
    assert "s3cret" not in repr(reader)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3\n", ["f.yaml:3:1: a: stands here twice, first in line 1"]),
        (
            "x:\n  a: 1\n  a: 2\n  a: 3\n",
            [
                "f.yaml:3:3: x.a: stands here twice, first in line 2",
                "f.yaml:4:3: x.a: stands here twice, first in line 2",
            ],
        ),
        ("a:\n  1: x\n", ["f.yaml:2:3: a: a key must be text (in quotes if it looks like more)"]),
        (
            "a: [{[1]: x}]",
            ["f.yaml:1:6: a[0]: a key must be text (in quotes if it looks like more)"],
        ),
        (
            "<<: {a: 1}",
            ["f.yaml:1:1: mappings cannot be merged (<<); an alias (*…) stands for a whole value"],
        ),
        ("a: &a [*a]", ["f.yaml:1:4: a[0]: contains itself"]),
        (
            "a: ${X} ${B}",
            [
                (
                    "f.yaml:1:4: a: ${X} is not set in the environment;"
                    " ${B} is not set in the environment"
                )
            ],
        ),
    ],
)
def test_problems(text, expected):
    """What YAML would let pass is a problem at its place."""
    assert problems(text) == expected


def test_too_many_values():
    """A few lines of aliases that stand for billions of values are refused, and soon."""
    bomb = "a0: &a0 [x]\n" + "".join(
        f"a{i + 1}: &a{i + 1} [{', '.join([f'*a{i}'] * 9)}]\n" for i in range(12)
    )

    with pytest.raises(ConfigError) as caught:
        read(bomb)

    (problem,) = caught.value.problems
    assert problem.what.startswith("too many values: over 20000")
    assert problem.line == 6


def test_too_deep():
    """Aliases nest as deeply as lists do, and neither goes on for ever."""
    nested = "a0: &a0 [x]\n" + "".join(f"a{i + 1}: &a{i + 1} [*a{i}]\n" for i in range(2000))

    for text in (nested, "a: " + "[" * 40 + "]" * 40):
        with pytest.raises(ConfigError, match="nested too deeply: 30 levels are the most"):
            read(text)


@pytest.mark.parametrize("text", ["a: !x 3", "a: !x [3]", "a: !x {b: 3}", "a: !!set {b, c}"])
def test_tags(text):
    """Tags mean nothing, and are not shown: a secret may begin with `!`."""
    (problem,) = problems(text)

    assert problem.startswith("f.yaml:1:4: a: a tag (!…) means nothing here")


@pytest.mark.parametrize(
    "text", ["a: !!int s3cret", "a: !!bool s3cret", "a: !!float s3cret", "a: " + "9" * 5000]
)
def test_false_tags(text):
    """A value that is not what its tag says is a problem, and is not shown."""
    assert problems(text) == [
        "f.yaml:1:4: a: does not fit its tag (!!…), or has far too many digits"
    ]


def test_places_go_on_after_a_problem():
    """A problem does not hide the next one."""
    assert len(problems("a: ${X}\nb: !y 1\nc: &c {d: *c}\n")) == 3

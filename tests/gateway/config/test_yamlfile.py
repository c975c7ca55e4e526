from __future__ import annotations

import attrs
import pytest
from attrs.validators import matches_re

from gateway.config.yamlfile import empty, read, unique
from gateway.config.yamlnodes import Place
from gateway.errors import ConfigError


@attrs.frozen
class Inner:
    port: int = 1
    word: str = attrs.field(default="ab", validator=matches_re("[a-z]+"))


@attrs.frozen
class Outer:
    name: str
    inner: Inner = attrs.field(factory=Inner)
    many: list[Inner] = attrs.field(factory=list)


@pytest.fixture(name="write")
def _write(tmp_path, monkeypatch):
    """Write `f.yaml` into the working directory."""
    monkeypatch.chdir(tmp_path)

    def write(text):
        path = tmp_path / "f.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path.relative_to(tmp_path)

    return write


def failure(path):
    with pytest.raises(ConfigError) as caught:
        read(path, {})
    return str(caught.value)


def structured(path, environ=None):
    outcome, problems = read(path, environ or {}).structure(Outer)
    return outcome.value, [str(problem) for problem in problems]


class TestRead:
    def test_right(self, write):
        """A right file becomes its class."""
        value, problems = structured(write("name: n\ninner: {port: 2}\nmany:\n  - port: 3\n"))

        assert value == Outer("n", Inner(2), [Inner(3)])
        assert problems == []

    @pytest.mark.parametrize("text", ["", "# nothing\n", "---\n"])
    def test_empty(self, write, text):
        """A file that says nothing is a mapping without keys."""
        assert read(write(text), {}).data == {}

    def test_anchor_twice(self, write):
        """An anchor may be used again, as YAML has it, without a warning that quotes the file."""
        assert read(write("a: &x 1\nb: &x 2\nc: *x\n"), {}).data == {"a": 1, "b": 2, "c": 2}

    def test_bom(self, write):
        """A byte order mark is not part of the first key."""
        assert read(write(b"\xef\xbb\xbfa: 1\n"), {}).data == {"a": 1}

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            (
                "a: b: c\n",
                (
                    "f.yaml:1:5: is not YAML: mapping values are not allowed here (text with"
                    ' ": " in it needs quotes, and keys of one mapping stand in one column)'
                ),
            ),
            (
                "a: [1\nb: 2\n",
                (
                    "f.yaml:2:2: is not YAML: in a list between brackets, expected ',' or ']',"
                    " but got ':'"
                ),
            ),
            (
                "a: {b: ${X}}\n",
                (
                    "f.yaml:1:9: is not YAML: in a mapping between braces, expected ',' or '}',"
                    " but got '{' (${…} between braces or brackets needs quotes)"
                ),
            ),
            (
                "a: 1\n\tb: 2\n",
                (
                    "f.yaml:2:1: is not YAML: found character '\\t' that cannot start any token"
                    " (a tab: YAML is indented with spaces)"
                ),
            ),
            (
                "a: 1\n---\nb: 2\n",
                (
                    "f.yaml:2:1: is not YAML: expected a single document in the stream,"
                    " but found another document"
                ),
            ),
            ("a: 1\nb: \x00\n", "f.yaml:2:4: is not YAML: a control character"),
            (b"a: 1\nb: x\xff\n", "f.yaml:2:5: is not UTF-8 here"),
            (
                "a: *s3cret\n",
                (
                    "f.yaml:1:4: is not YAML: found undefined alias"
                    " (text that begins with * needs quotes)"
                ),
            ),
            ("[" * 5000, "f.yaml:1:1: is nested too deeply"),
        ],
    )
    def test_syntax(self, write, text, expected):
        """What is not YAML is told with its place, in words that show no value."""
        assert failure(write(text)) == expected

    def test_no_file(self, write):
        """A file that cannot be read is a problem too."""
        path = write("").with_name("other.yaml")

        assert failure(path) == "other.yaml:1:1: cannot be read: No such file or directory"

    def test_directory(self, tmp_path):
        """So is a directory."""
        assert failure(tmp_path).endswith("cannot be read: Is a directory")


class TestStructure:
    def test_all_at_once(self, write):
        """Each mistake is told with file, line, column and path."""
        text = "inner:\n  prot: 1\n  port: x\nmany:\n  - word: Ä\n  - 3\n"

        value, problems = structured(write(text))

        assert value is None
        assert set(problems) == {
            "f.yaml:1:1: name: is missing",
            'f.yaml:2:3: inner.prot: unknown key; did you mean "port"?',
            "f.yaml:3:9: inner.port: expected a whole number, found text",
            "f.yaml:5:11: many[0].word: must match regex '[a-z]+' ('Ä' doesn't)",
            "f.yaml:6:5: many[1]: expected a mapping, found a whole number",
        }

    def test_no_mapping(self, write):
        """A file that is a list is wrong as a whole."""
        assert structured(write("- a\n"))[1] == ["f.yaml:1:1: expected a mapping, found a list"]

    def test_from_environment(self, write):
        """A value from the environment may be a number, and is not shown when it is wrong."""
        path = write("name: ${N}\ninner: {port: '${P}', word: '${W}'}\n")
        right, none = structured(path, {"N": "7", "P": "8", "W": "w"})
        _, problems = structured(path, {"N": "7", "P": "s3cret", "W": "S3CRET"})

        assert (right, none) == (Outer("7", Inner(8, "w")), [])
        assert problems == [
            "f.yaml:2:15: inner.port: expected a whole number, found other text in ${P}",
            "f.yaml:2:29: inner.word: must match regex '[a-z]+' ('…' doesn't)",
        ]

    def test_part(self, write):
        """A part of the file can be read on its own; one that is absent says nothing."""
        document = read(write("a:\n  - port: x\n"), {})

        assert [str(problem) for problem in document.structure(Inner, ("a", 0))[1]] == [
            "f.yaml:2:11: a[0].port: expected a whole number, found text"
        ]
        assert document.structure(Inner, ("a", 1))[0].value == Inner()


class TestDocument:
    def test_place(self, write):
        """What is not in the file has the place of what would hold it."""
        document = read(write("a:\n  b: 1\n"), {})

        assert document.place(("a", "c", "d")) == Place("f.yaml", 2, 3)
        assert document.place(("x",)) == Place("f.yaml", 1, 1)

    def test_put(self, write):
        """Flags and the environment stand over the file, and their problems are theirs."""
        document = read(write("name: n\ninner: {port: 1}\n"), {})
        put = document.put(("inner", "port"), "x", source="<flags>")

        assert document.data == {"name": "n", "inner": {"port": 1}}
        assert [str(problem) for problem in put.structure(Outer)[1]] == [
            "<flags>:1:1: inner.port: expected a whole number, found text"
        ]

    @pytest.mark.parametrize(
        ("data", "at", "expected"),
        [
            ({}, ("a", "b"), {"a": {"b": 7}}),
            ({"a": {"c": 1}}, ("a", "b"), {"a": {"c": 1, "b": 7}}),
            ({"a": [1, 2]}, ("a", 1), {"a": [1, 7]}),
            ({"a": [1]}, ("a", 1), {"a": [1, 7]}),
            ({"a": "text"}, ("a", "b"), {"a": "text"}),
        ],
    )
    def test_put_shapes(self, data, at, expected):
        """A mapping on the way is made, a list grows; anything else stays, to be complained of."""
        document = attrs.evolve(empty("f.yaml"), data=data)

        assert document.put(at, 7, source="x").data == expected

    def test_repr(self, write):
        """A document does not show what it holds."""
        assert "s3cret" not in repr(read(write("a: ${X}\nb: s3cret\n"), {"X": "s3cret"}))


def test_unique():
    """Problems come in the file's order; a second one at the same place follows from the first."""
    document = empty("f.yaml")
    first = document.problem(("b",), "one")
    problems = [first, document.problem(("b",), "two"), document.problem(("a",), "three")]

    assert [problem.what for problem in unique(problems)] == ["three", "one"]

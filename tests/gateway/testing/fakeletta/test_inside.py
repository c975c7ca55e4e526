"""What Letta streams of a call's arguments, by how they are cut."""

from __future__ import annotations

import json

import pytest

from gateway.testing.fakeletta.inside import Inside, Spoken, Thoughts
from gateway.testing.fakeletta.steps import CallPart, cut


ARGS = json.dumps({"thinking": "I see", "message": 'line\n"quoted" é'})


def pieces(name: str, args: str, size: int, *, thoughtful: bool = True) -> dict[str, str]:
    """What comes out, by kind."""
    inside, found = Inside(thoughtful), {"reason": "", "name": "", "args": "", "say": ""}
    for part in (CallPart(0, "call_1", name), *(CallPart(0, args=a) for a in cut(args, size))):
        for kind, text in inside.feed(part):
            found[kind] += text
    return found


def test_in_fitting_pieces() -> None:
    """When the opening of the message comes whole, its inside is passed on as it stands."""
    found = pieces("send_message", ARGS, 12)
    assert found["reason"].strip() == "I see"
    assert found["say"] == r"line\n\"quoted\" \u00e9"
    assert found["name"] == found["args"] == ""


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 1000])
def test_in_other_pieces(size: int) -> None:
    """In most other pieces the text is lost, and the thoughts are not."""
    found = pieces("send_message", ARGS, size)
    assert (found["reason"].strip(), found["say"]) == ("I see", "")


def test_a_quote_at_the_end_ends_it() -> None:
    """A fragment that ends in an escaped quote ends the message early."""
    spoken = Spoken()
    fragments = ['"message": "he said \\"', 'no\\" to it"}']
    assert [spoken.feed(text) for text in fragments] == ["he said \\", ""]


def test_spaces_at_the_end_are_lost() -> None:
    """White space at the end of a fragment is lost."""
    inside = Inside(thoughtful=True)
    fragments = ['{"thinking": "x",', '"message": "', "one ", "two ", 'three"}']
    parts = [CallPart(0, "c", "send_message"), *(CallPart(0, args=text) for text in fragments)]
    found = [piece for part in parts for piece in inside.feed(part)]
    assert [text for kind, text in found if kind == "say"] == ["one", "two", "three"]


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_other_tools(size: int) -> None:
    """Another tool's name comes first, then its arguments without the thoughts."""
    args = '{"thinking": "x", "city": "Rome", "days": 3, "request_heartbeat": true}'
    found = pieces("look", args, size)
    assert (found["name"], found["reason"].strip()) == ("look", "x") if size < 1000 else ("", "x")
    if size < 1000:
        assert found["args"].startswith('{"city": "Rome",')


def test_thoughts_wait() -> None:
    """Nothing else passes before the thoughts are over and the next key begins."""
    thoughts = Thoughts(True)
    assert thoughts.feed('{"thinking": "a\\"b"') == ("", ' a\\"b')
    assert thoughts.feed(", ") == ("", "")
    assert thoughts.feed('"x": [1, 2]}') == ('{"x": [1, 2]}', "")


def test_objects_within_are_mangled() -> None:
    """The values of an object within the arguments are lost, and all that comes after it."""
    assert Thoughts(False).feed('{"x": {"y": 1}, "z": 2}') == ('{"x": {"y"}}', "")

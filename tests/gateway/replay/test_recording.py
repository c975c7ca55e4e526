from __future__ import annotations

import json

import pytest

from gateway.errors import StartError
from gateway.replay.recording import SHIPPED, read
from tests.gateway.letta.decoding import STREAMS


FRAME = b'data: {"message_type":"ping"}\n\n'


def why(named) -> str:
    with pytest.raises(StartError) as caught:
        read(str(named))
    return str(caught.value)


@pytest.mark.parametrize("recording", STREAMS, ids=lambda recording: recording.name)
def test_shipped_recordings(recording):
    """Each is found by its name, is read whole, and comes with what was asked."""
    if recording.name.startswith("openai-"):
        assert "are not Letta's" in why(recording.name)
        return
    found = read(recording.name)

    assert b"".join(block.data for block in found.blocks) + found.rest == recording.data
    assert found.asked["body"] == recording.body
    assert not found.truncated


@pytest.mark.parametrize("suffix", ["", ".sse", ".request.json"])
def test_a_file(tmp_path, suffix):
    """A file may be named with or without its suffix, or by what was asked."""
    (tmp_path / "mine.sse").write_bytes(FRAME + b"data: [DONE]\r\n\r\n")
    (tmp_path / "mine.request.json").write_text(json.dumps({"body": {"input": "Hi"}}))

    found = read(f"{tmp_path}/mine{suffix}")

    assert found.name == "mine"
    assert [block.done for block in found.blocks] == [False, True]
    assert found.asked == {"body": {"input": "Hi"}}


def test_truncated(tmp_path):
    """What stops in the middle of an event is told from what is whole."""
    path = tmp_path / "cut.sse"
    path.write_bytes(FRAME + FRAME[:9])

    assert read(str(path)).truncated
    assert read(str(path)).rest == FRAME[:9]


def test_near_names(tmp_path):
    """What may have been meant is named: of the same folder, or of those that are shipped."""
    (tmp_path / "monday.sse").write_bytes(FRAME)

    assert f"Did you mean {tmp_path}/monday.sse?" in why(tmp_path / "munday.sse")
    assert "Did you mean v1-plain-tok" in why("v1-plain-tik")
    assert "v1-plain-tok is" in why("zzzzzz")


def test_a_folder(tmp_path):
    """The newest recording of a folder is named."""
    assert why(tmp_path) == f"{tmp_path} is a folder without recordings."
    for name in ("b", "a"):
        (tmp_path / f"{name}.sse").write_bytes(FRAME)
    assert f"Its newest recording is {tmp_path}/b.sse." in why(tmp_path)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "it holds no events (lines that begin with 'data:')"),
        (b"\x00\xff\n\n", "it holds no events"),
        (b'{"messages": []}', "it is JSON, and not a stream of events"),
        (FRAME[:12], "it stops before the end of its first event"),
        (b'data: {"id":"chatcmpl-1"}\n\n', "its events are not Letta's"),
    ],
)
def test_no_recording(tmp_path, data, expected):
    """What is none is told, and why."""
    path = tmp_path / "x.sse"
    path.write_bytes(data)

    assert f"{path} is no recording: {expected}" in why(path)


def test_an_answer_that_was_no_stream():
    """It has no events to be shown."""
    name = next(SHIPPED.glob("*-nostream.json")).stem
    assert why(name) == f"{name} is the answer to a request that did not stream."


def test_a_broken_sidecar(tmp_path):
    """It is named."""
    (tmp_path / "x.sse").write_bytes(FRAME)
    (tmp_path / "x.request.json").write_text("{")

    assert f"{tmp_path}/x.request.json cannot be read" in why(tmp_path / "x.sse")


def test_without_an_end(tmp_path):
    """Much that follows the last event is read as fast as it is long."""
    path = tmp_path / "x.sse"
    path.write_bytes(FRAME + b"x" * 5_000_000)

    assert len(read(str(path)).rest) == 5_000_000


def test_ends_of_events(tmp_path):
    """An event ends with an empty line, whichever way lines end."""
    events = [
        FRAME,
        FRAME.replace(b"\n\n", b"\r\n\r\n"),
        b"\r\n\n",
        FRAME.replace(b"\n\n", b"\n\r\n"),
    ]
    path = tmp_path / "x.sse"
    path.write_bytes(b"".join(events))

    assert [block.data for block in read(str(path)).blocks] == events

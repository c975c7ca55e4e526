"""The recordings of a real server."""

from __future__ import annotations

import json

import pytest

from gateway.testing import recordings


def test_names() -> None:
    """Recordings are listed, all or by how their names begin."""
    assert len(recordings.names()) > 300
    assert recordings.names("v1-plain") == ("v1-plain-step", "v1-plain-tok")


@pytest.mark.parametrize("name", recordings.names())
def test_reads_every_recording(name: str) -> None:
    """Every recording's events are those of the index; JSON is JSON."""
    recording = recordings.read(name)
    assert recording.name == name
    if recording.streamed:
        assert recordings.summary(recording.frames) == recording.summary
        assert b"".join(recordings.blocks(recording.data)) == recording.data
    else:
        assert recording.frames == ()
        assert recording.data == b"" or recording.json is not ...


def test_request() -> None:
    """The request is there with its path, headers and body."""
    recording = recordings.read("v1-plain-tok")
    assert (recording.method, recording.status) == ("POST", 200)
    assert recording.path.endswith("/messages/stream")
    assert recording.body["messages"] == [{"role": "user", "content": "@@plain@@"}]
    assert "Content-Type" in recording.headers


def test_unknown() -> None:
    """An unknown name is a KeyError."""
    with pytest.raises(KeyError):
        recordings.read("nothing")


def test_unusual_separators() -> None:
    """Only line feeds separate lines: other separators are part of the text."""
    data = json.dumps({"message_type": "x", "t": "a\u2028b\u0085c"}, ensure_ascii=False)
    (frame,) = recordings.read_frames(f"event: error\ndata:{data}\n\ndata: cut".encode())
    assert (frame.label, frame.json["t"]) == ("error:x", "a\u2028b\u0085c")

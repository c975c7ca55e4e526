from __future__ import annotations

import msgspec
import pytest

from gateway.letta.pieces import ReasoningPiece, TextPiece, joined, read_piece


def test_a_piece_of_text():
    """Of all its fields only those that are read."""
    data = b'{"id":"message-1","date":"x","message_type":"assistant_message","content":"Hi"}'
    assert read_piece(data) == TextPiece("message-1", "Hi")


def test_a_piece_of_reasoning():
    """The run that it belongs to is known as well."""
    data = b'{"id":"m","message_type":"reasoning_message","reasoning":"So","run_id":"run-1"}'
    assert read_piece(data) == ReasoningPiece("m", "So", "run-1")


@pytest.mark.parametrize(
    "data",
    [
        b'{"message_type":"ping"}',
        b'{"message_type":"assistant_message","id":"m"}',
        b'{"message_type":"assistant_message","id":null,"content":"Hi"}',
        b'{"message_type":"assistant_message","id":"m","content":[{"type":"text","text":"Hi"}]}',
        b'{"message_type":"reasoning_message","id":"m","reasoning":null}',
        b'{"message_type":7,"id":"m"}',
        b'{"id":"m","content":"Hi"}',
        b'{"message_type":"assistant_message","id":"m","content":"\\ud83d"}',
        b"[DONE]",
        b"[]",
        b"{",
        b"",
    ],
)
def test_anything_else(data):
    """It is not taken, and has to be read whole."""
    with pytest.raises(msgspec.DecodeError):
        read_piece(data)


def test_pieces_of_one_text():
    """They become one, up to whatever comes in between."""
    ping = {"message_type": "ping"}
    frames = [
        ReasoningPiece("m", "r", "run-1"),
        ReasoningPiece("m", "s", "run-1"),
        TextPiece("m", "a"),
        TextPiece("m", "b"),
        TextPiece("n", "c"),
        ping,
        ping,
        TextPiece("n", "d"),
        TextPiece("n", ""),
        TextPiece("n", "e"),
    ]
    assert joined(frames) == [
        ReasoningPiece("m", "rs", "run-1"),
        TextPiece("m", "ab"),
        TextPiece("n", "c"),
        ping,
        ping,
        TextPiece("n", "de"),
    ]


def test_nothing_to_join():
    """What stands alone stays as it is."""
    frames = [TextPiece("m", "a"), ReasoningPiece("m", "b"), TextPiece("m", "c"), {}]
    assert all(one is other for one, other in zip(joined(frames), frames, strict=True))
    assert joined([]) == []

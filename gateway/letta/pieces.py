"""The frames that nearly all are, a piece of text or of reasoning, without what nobody reads.

Letta repeats a dozen fields in each of them. To read only these takes half the time of reading
all, and what is read is of the right type.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import msgspec


class TextPiece(msgspec.Struct, tag_field="message_type", tag="assistant_message", gc=False):
    """A piece of the answer's text."""

    id: str
    content: str
    run_id: str | None = None
    seq_id: int | None = None


class ReasoningPiece(msgspec.Struct, tag_field="message_type", tag="reasoning_message", gc=False):
    """A piece of the model's reasoning."""

    id: str
    reasoning: str
    run_id: str | None = None
    seq_id: int | None = None


Piece: TypeAlias = TextPiece | ReasoningPiece

read_piece: Callable[[bytes], Piece] = msgspec.json.Decoder(TextPiece | ReasoningPiece).decode
"""Reads a frame that is such a piece; raises `msgspec.DecodeError` if it is anything else."""


def joined(frames: Iterable[Any]) -> list[Any]:
    """The same in fewer frames: of pieces that follow each other in one text, one is made."""
    texts: list[list[Any]] = []
    last: Any = None
    for frame in frames:
        kind = type(frame)
        if kind is type(last) and kind in (TextPiece, ReasoningPiece) and frame.id == last.id:
            texts[-1].append(frame)
        else:
            texts.append([frame])
        last = frame
    return [_one(pieces) for pieces in texts]


def _one(pieces: Sequence[Any]) -> Any:
    first = pieces[0]
    if len(pieces) == 1:
        return first
    if isinstance(first, TextPiece):
        return TextPiece(first.id, "".join([each.content for each in pieces]), first.run_id)
    return ReasoningPiece(first.id, "".join([each.reasoning for each in pieces]), first.run_id)

"""Ends a text that comes in pieces after so many tokens, which it can only estimate."""

from __future__ import annotations

import attrs


# Of the tokenizers in use most make about as many bytes of UTF-8 into a token, in English,
# Chinese and code alike.
BYTES = 4


@attrs.define
class Cap:
    """
    Give it the pieces; it gives what is within. `reached` once there is more than that.

    A text that ends just there is whole.
    """

    tokens: int
    reached: bool = attrs.field(init=False, default=False)
    _left: int = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._left = self.tokens * BYTES

    def feed(self, piece: str) -> str:
        """As much of the piece as there is room for, whole characters."""
        if len(piece) * 4 <= self._left:  # without counting: no character has more bytes
            self._left -= len(piece) if piece.isascii() else _size(piece)
            return piece
        size = _size(piece)
        if size <= self._left:
            self._left -= size
            return piece
        self.reached = True
        kept = 0
        while (size := _size(piece[kept])) <= self._left:
            self._left -= size
            kept += 1
        return piece[:kept]


def _size(text: str) -> int:
    return len(text.encode(errors="surrogatepass"))

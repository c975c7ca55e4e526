"""Where in a message a client can write something."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import unquote

from gateway.plugin import Image, Message


_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|([\"\\/bfnrt]))")
_SHORT = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def texts_of(message: Message) -> Sequence[str]:
    """All that a message says: its text parts as one, so that no pattern hides between them."""
    texts = [message.text, message.name, message.tool_call_id]
    for call in message.tool_calls:
        texts += [call.id, call.name, call.arguments, decoded(call.arguments)]
    for part in message.parts:
        if isinstance(part, Image):
            texts += written(part)
    return list(dict.fromkeys(text for text in texts if text))


def written(image: Image) -> Sequence[str]:
    """What is written about an image, its address as it stands and as it is meant."""
    return [unquote(image.url), image.url, image.media_type]


def decoded(arguments: str) -> str:
    """
    The arguments of a call without the escapes of JSON, in which any letter can be written.

    They may be no JSON at all, or nested too deeply to be read as such.
    """
    text = _ESCAPE.sub(_meant, arguments)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _meant(escape: re.Match[str]) -> str:
    code, short = escape.groups()
    return chr(int(code, 16)) if code else _SHORT.get(short, short)

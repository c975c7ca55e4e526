"""Ids of tool calls, as clients see them: Letta's own, with a mark of the gateway's.

Models number their calls as they like: two conversations of one client may well have the
same id pending, and two rounds of one conversation, too. Marked, an id is given out once and
cannot be guessed, and one sees whether it was a gateway that gave it out.
"""

from __future__ import annotations

import re
import secrets


_MARKED = re.compile(r".+-lg[0-9a-f]{12}\Z", re.DOTALL)


def marked(call_id: str) -> str:
    """The id that the client is shown: a new one each time."""
    return f"{call_id}-lg{secrets.token_hex(6)}"


def is_ours(call_id: str) -> bool:
    """Whether a gateway gave out this id."""
    return _MARKED.match(call_id) is not None

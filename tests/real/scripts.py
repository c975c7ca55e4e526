"""What a test says to an agent so that its scripted model does as the test wants."""

from __future__ import annotations

import json
from typing import Any


def does(**step: Any) -> str:
    """One step, in the words of `tests.letta_server.script`."""
    return f"!!{json.dumps(step)}!!"


def does_all(*steps: dict[str, Any]) -> str:
    """Step by step: the first answers the message, the next what its tools return, ..."""
    return does(steps=list(steps))

"""Where the references of a JSON schema lead: to places within it, and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote


INDEX = re.compile("0|[1-9][0-9]{0,8}")


def target(schema: Mapping[str, Any], reference: str) -> Any:
    """
    What stands at `#`, which is the schema itself, or at `#/path/to/it`.

    Raises:
        LookupError: There is nothing, or it is named in another way.
    """
    start, *steps = unquote(reference).split("/")
    if start != "#":
        raise LookupError(reference)
    found: Any = schema
    for step in steps:
        found = _inside(found, step.replace("~1", "/").replace("~0", "~"))
    return found


def _inside(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        return value[name]
    if isinstance(value, list) and INDEX.fullmatch(name):
        return value[int(name)]
    raise LookupError(name)

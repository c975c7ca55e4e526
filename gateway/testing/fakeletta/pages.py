"""One page of a list: `limit`, `order`, and cursors `before` and `after`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar

from gateway.testing.fakeletta.replies import invalid


class _HasId(Protocol):
    @property
    def id(self) -> str: ...


T = TypeVar("T", bound=_HasId)


def page(
    found: Sequence[T], query: Mapping[str, str], *, limit: int, order: str = "desc"
) -> list[T]:
    """
    The page that the query asks for; `found` is oldest first. An unknown cursor is ignored.

    Raises:
        Refusal: The query is not of the right form.
    """
    order = query.get("order", order)
    if order not in {"asc", "desc"}:
        raise invalid("query.order", "Input should be 'asc' or 'desc'")
    try:
        limit = int(query.get("limit", limit))
    except ValueError:
        raise invalid("query.limit", "Input should be a valid integer") from None
    items = list(found) if order == "asc" else list(reversed(found))
    at = {item.id: place for place, item in enumerate(items)}
    first = at.get(query.get("after", ""), -1) + 1
    last = at.get(query.get("before", ""), len(items))
    return items[first:last][: limit or None]

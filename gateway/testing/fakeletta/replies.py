"""Answers that are no streams: JSON as Letta writes it, and its refusals."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from aiohttp import web


_dumps = partial(json.dumps, separators=(",", ":"), ensure_ascii=False)

_ACTOR = (
    "access level in ['read'] for actor='id='user-00000000-0000-4000-8000-000000000000' "
    "organization_id='org-00000000-0000-4000-8000-000000000000' name='default_user''"
)


class Refusal(web.HTTPException):
    """An answer that ends the request at once: raise it."""

    def __init__(self, status: int, data: Any) -> None:
        self.status_code = status
        super().__init__(text=_dumps(data), content_type="application/json")


def answer(data: Any, status: int = 200) -> web.Response:
    """A JSON answer."""
    return web.json_response(data, status=status, dumps=_dumps)


def refuse(status: int, detail: str, **more: Any) -> Refusal:
    """Letta does not do this."""
    return Refusal(status, {"detail": detail, **more})


def invalid(where: str, what: str) -> Refusal:
    """The request is not of the right form."""
    detail = [{"type": "value_error", "loc": tuple(where.split(".")), "msg": what}]
    return Refusal(422, {"trace_id": "", "detail": str(detail)})


def no_agent(agent_id: str) -> Refusal:
    """There is no such agent."""
    return refuse(404, f"Agent with ID {agent_id} not found")


def not_found(what: str, id: str) -> Refusal:
    """There is no such conversation or run; Letta's words, which nobody should relay."""
    return refuse(404, f"{what} not found with id='['{id}']', {_ACTOR}")


async def body(request: web.Request, *, required: bool = True) -> Any:
    """
    The request's JSON body; `{}` if it may be missing and is.

    Raises:
        Refusal: It is not JSON.
    """
    data = await request.read()
    if not data and not required:
        return {}
    try:
        return json.loads(data)
    except ValueError:
        raise invalid("body", "JSON decode error") from None

"""Requests to the Responses API, by raw HTTP."""

from __future__ import annotations

import json
from typing import Any

from tests.gateway.serving import Listening
from tests.gateway.surfaces.responses.reading import Json, frames_of


def post(served: Listening, said: Any = "Hi", *, path: str = "", **more: Any) -> Any:
    """`POST /v1/responses`, to be entered; `headers` are none of the body's."""
    headers = more.pop("headers", None)
    body = {"model": "Milo", "input": said, **more}
    return served.session.post(f"{served.url}/v1/responses{path}", json=body, headers=headers)


async def response_of(served: Listening, said: Any = "Hi", **more: Any) -> Json:
    """A whole response."""
    async with post(served, said, **more) as answer:
        assert answer.status == 200, await answer.text()
        body: Json = await answer.json()
        return body


async def error_of(entered: Any) -> tuple[int, Json]:
    """The status and the error of an answer."""
    async with entered as answer:
        return answer.status, (await answer.json())["error"]


async def streamed(served: Listening, said: Any = "Hi", **more: Any) -> list[Json]:
    """The frames of a stream."""
    async with post(served, said, stream=True, **more) as answer:
        assert answer.status == 200, await answer.text()
        assert answer.content_type == "text/event-stream"
        return frames_of(await answer.read())


async def found(served: Listening, given: str, **more: Any) -> Json:
    """`GET /v1/responses/{id}`."""
    async with served.get(f"/v1/responses/{given}", **more) as answer:
        assert answer.status == 200, await answer.text()
        body: Json = await answer.json()
        return body


async def again(served: Listening, given: str, after: int | None = None) -> list[Json]:
    """The frames of a response that is asked for again."""
    query = f"?stream=true{'' if after is None else f'&starting_after={after}'}"
    async with served.get(f"/v1/responses/{given}{query}") as answer:
        assert answer.status == 200, await answer.text()
        return frames_of(await answer.read())


async def first_frame(answer: Any) -> str:
    """The id of a response whose stream has begun; its first frame is read."""
    name, data = await answer.content.readline(), await answer.content.readline()
    assert name == b"event: response.created\n"
    given: str = json.loads(data.removeprefix(b"data: "))["response"]["id"]
    return given

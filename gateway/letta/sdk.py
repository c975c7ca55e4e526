"""letta-client as the gateway uses it: without a key where there is none, and quick where a
request is plain.

Half the computing of a short answer would go into what letta-client and httpx do for any
request: options validated and copied twice, headers merged three times, cookies looked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import httpx
from aiohttp import encode_basic_auth
from letta_client import APIConnectionError, APITimeoutError, AsyncLetta
from multidict import CIMultiDict
from yarl import URL

from gateway.json_text import dumps
from gateway.letta.transport import Sender, Sending, unpacked


class Http(httpx.AsyncClient):
    """An httpx client that lets its transport be used without it."""

    def __init__(self, sender: Sender, **given: Any) -> None:
        super().__init__(transport=sender, **given)
        self.sender = sender


class Client(AsyncLetta):
    """
    AsyncLetta that sends no Authorization header when there is no key.

    Its `http_client` has to be an `Http`.
    """

    @property
    def auth_headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}

    async def ask(self, method: str, path: str, body: object = None) -> bytes:
        """
        What a plain request is answered; it is sent once. A redirect is a failure.

        Raises:
            APIConnectionError, APIStatusError: As with letta-client's own requests.
        """
        response = await self.open(method, path, body)
        content = unpacked(response)
        try:
            return await (response.aread() if content is None else content.whole())
        except httpx.HTTPError as exc:
            raise APIConnectionError(request=self._request(method, path)) from exc
        finally:
            await response.aclose()

    async def open(self, method: str, path: str, body: object = None) -> httpx.Response:
        """The answer, as for `ask`; it is yet to be read, and to be closed."""
        sending = Sending(
            method,
            URL(self._address + path, encoded=True),
            self._headers,
            b"" if body is None else dumps(body),
            self._limits,
        )
        http: Any = self._client
        try:
            response: httpx.Response = await http.sender.send(sending)
            if response.is_success:
                return response
            try:
                await response.aread()
            finally:
                await response.aclose()
        except httpx.TimeoutException as exc:
            raise APITimeoutError(self._request(method, path)) from exc
        except httpx.HTTPError as exc:
            raise APIConnectionError(request=self._request(method, path)) from exc
        response.request = self._request(method, path)
        raise self._make_status_error_from_response(response)

    def _request(self, method: str, path: str) -> httpx.Request:
        """What letta-client's exceptions want to know of a request."""
        return httpx.Request(method, self._address + path)

    @cached_property
    def _address(self) -> str:
        return str(self.base_url.copy_with(userinfo=b"")).rstrip("/")

    @cached_property
    def _headers(self) -> CIMultiDict[str]:
        headers = CIMultiDict(self._client.headers)
        headers.update({k: v for k, v in self.default_headers.items() if isinstance(v, str)})
        if self.base_url.userinfo:
            at = self.base_url
            headers["Authorization"] = encode_basic_auth(at.username, at.password)
        return headers

    @cached_property
    def _limits(self) -> Mapping[str, float | None]:
        limits: Mapping[str, float | None] = httpx.Timeout(self.timeout).as_dict()
        return limits

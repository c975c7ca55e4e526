"""Pages of the gateway's own: a chat, and the module for chats in pages of any make."""

from __future__ import annotations

from importlib import resources

from aiohttp import web


FILES = resources.files("gateway.web.console") / "files"

TYPES = {
    "html": "text/html",
    "js": "text/javascript",
    "css": "text/css",
}

# Nothing from elsewhere, and no frame around it.
POLICY = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def add_console(app: web.Application) -> None:
    """Add the pages to the application; they are read once."""
    files = {each.name: each.read_bytes() for each in FILES.iterdir()}

    async def page(request: web.Request) -> web.Response:
        """One file."""
        name = request.match_info["name"]
        if name not in files:
            raise web.HTTPNotFound
        return web.Response(
            body=files[name],
            content_type=TYPES[name.rpartition(".")[2]],
            charset="utf-8",
            headers={
                "Cache-Control": "no-cache",
                "Content-Security-Policy": POLICY,
                "X-Content-Type-Options": "nosniff",
            },
        )

    app.add_routes([web.get("/console/{name}", page)])

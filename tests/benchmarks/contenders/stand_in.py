"""Small programs in the place of those that would have to be installed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.contenders.installed import Environment


# It writes down how it was called. Called with a port, it answers there with its environment.
PROGRAM = """#!{python}
import http.server, json, os, pathlib, re, sys

called = {{"arguments": sys.argv[1:], "environment": dict(os.environ), "folder": os.getcwd()}}
with pathlib.Path({calls!r}).open("a") as calls:
    calls.write(json.dumps(called) + "\\n")
port = re.search(r"(?:--port |ws://127.0.0.1:)([0-9]+)", " ".join(sys.argv))
if not port:
    sys.exit()


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()


http.server.HTTPServer(("127.0.0.1", int(port[1])), Answer).serve_forever()
"""


def installed(packages: Environment, cache: Path, command: str) -> Path:
    """As if the packages were there, with this one command; gives the list of its calls."""
    program, calls = packages.command(cache, command), cache / "calls"
    program.parent.mkdir(parents=True)
    program.write_text(PROGRAM.format(python=sys.executable, calls=str(calls)), encoding="utf-8")
    program.chmod(0o755)
    (packages.root(cache) / "done").touch()
    return calls


def read(calls: Path) -> list[dict[str, Any]]:
    """How it was called, first to last."""
    return [json.loads(line) for line in calls.read_text(encoding="utf-8").splitlines()]

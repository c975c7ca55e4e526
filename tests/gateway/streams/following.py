"""A client that follows one stream to its end, and may be killed at any moment.

    python following.py SURFACE PORT KEY SAID FILE

Whatever it has read stands in its file, a line for each frame. Started again, it goes on behind
the last of them. It imports next to nothing, so that it has soon begun.
"""

import json
import os
import socket
import sys


LAST = {"done", "error", "interrupted", "response.completed", "response.failed"}


def native(key, said, frames):
    """The request: a new message, or the rest behind the last id."""
    if frames:
        last = frames[-1][0]
        return f"GET /chat/streams/{last.partition(':')[0]} HTTP/1.0\r\nLast-Event-ID: {last}", None
    return _post("/chat/stream", key), {"agent": "Milo", "message": said}


def responses(key, said, frames):
    """The request: a new response, or the rest behind the last number."""
    if frames:
        made, last = (json.loads(frames[at][1]) for at in (0, -1))
        path = f"/v1/responses/{made['response']['id']}"
        after = last["sequence_number"]
        return f"GET {path}?stream=true&starting_after={after} HTTP/1.0", None
    return _post("/v1/responses", key), {"model": "Milo", "input": said, "stream": True}


SURFACES = {"native": native, "responses": responses}


def main(surface, port, key, said, path):
    """Follow it; 0 at its end."""
    with open(path, "a+b", buffering=0) as file:  # noqa: PTH123  pathlib takes longer
        file.seek(0)
        frames = [tuple(line.decode().split("\t", 1)) for line in file.read().splitlines()]
        head, body = SURFACES[surface](key, said, frames)
        lines = asked(int(port), head, body)
        if b" 200 " not in next(lines):
            sys.exit(b"".join(lines).decode())
        number = ""
        for line in lines:
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name == "id":
                number = value
            elif name == "data" and value.startswith("{"):
                kind = json.loads(value)["type"]
                if number or surface == "responses":
                    os.write(file.fileno(), f"{number}\t{value}\n".encode())
                number = ""
                if kind in LAST:
                    return


def asked(port, head, body):
    """The lines of the answer."""
    data = b"" if body is None else json.dumps(body).encode()
    kind = f"Content-Type: application/json\r\nContent-Length: {len(data)}"
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(f"{head}\r\n{kind}\r\n\r\n".encode() + data)
        with connection.makefile("rb") as answer:
            yield from answer


def _post(path, key):
    return f"POST {path} HTTP/1.0\r\nIdempotency-Key: {key}"


if __name__ == "__main__":
    main(*sys.argv[1:])

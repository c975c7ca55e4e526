"""Log lines: for people on a terminal, or one JSON object a line for machines.

Message text is never logged above debug, and secrets never: tracebacks come without the
values of variables (`diagnose=False`), which would print both.
"""

from __future__ import annotations

import inspect
import json
import logging
import re
import sys
import traceback
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web import RequestPayloadError
from loguru import logger

from gateway.json_text import dumps


if TYPE_CHECKING:
    from loguru import Logger, Record


# What would make one fact look like several.
_ODD = re.compile(r'[ "=]')


def configure(format: Literal["text", "json"], level: str) -> Logger:
    """Set up the process's log on standard error, and return the logger to hand on."""
    logger.remove()
    logger.add(
        sys.stderr,
        level=level.upper(),
        format=_json if format == "json" else _text,
        colorize=False if format == "json" else None,
        backtrace=False,
        diagnose=False,
    )
    logging.basicConfig(handlers=[_FromStandardLibrary()], level=logging.WARNING, force=True)
    return logger


def silence() -> None:
    """From now on nothing is written."""
    logger.remove()


def name_worker(number: int) -> None:
    """From now on every line of this process says which of several it is."""
    logger.configure(extra={"worker": number})


def _text(record: Record) -> str:
    """The template of a line; what clients sent is shown so that it cannot forge another."""
    facts = record["extra"]
    template = _template(tuple(facts))
    record["extra"] = {
        "time": record["time"].time().isoformat("milliseconds"),
        "message": _one_line(record["message"]),
        "facts": [_fact(value) for value in facts.values()],
    }
    return template


@lru_cache
def _template(names: tuple[str, ...]) -> str:
    """Of lines with these facts. Its few fields are plain text: loguru's own take longer."""
    facts = [f" <dim>{name}=</dim>{{extra[facts][{i}]}}" for i, name in enumerate(names)]
    line = "<dim>{extra[time]}</dim> <level>{level: <7}</level> {extra[message]}"
    return f"{line}{''.join(facts)}\n{{exception}}"


def _fact(value: object) -> str:
    text = str(value)
    if text and not _ODD.search(text):
        return _one_line(text)
    return json.dumps(text, ensure_ascii=not text.isprintable())


def _one_line(text: str) -> str:
    return text if text.isprintable() else json.dumps(text)[1:-1]


def _json(record: Record) -> str:
    line: dict[str, Any] = {
        "time": record["time"].isoformat(),
        "level": record["level"].name.lower(),
        "message": record["message"],
        **record["extra"],
    }
    exception = record["exception"]
    if exception is not None and exception.type is not None:
        line["exception"] = f"{exception.type.__name__}: {exception.value}"
        line["traceback"] = "".join(traceback.format_exception(exception.value))
    record["extra"]["_line"] = dumps(line, default=str).decode()
    return "{extra[_line]}\n"


class _FromStandardLibrary(logging.Handler):
    """Hands on what libraries log."""

    def emit(self, record: logging.LogRecord) -> None:
        exc = record.exc_info[1] if record.exc_info else None
        if isinstance(exc, HttpProcessingError | RequestPayloadError):
            # It quotes the request, credentials and all.
            logger.info("a malformed request was refused: {}", type(exc).__name__)
            return
        frame, depth = inspect.currentframe(), 0
        while frame and (depth == 0 or frame.f_code.co_filename == logging.__file__):
            frame, depth = frame.f_back, depth + 1
        level = record.levelname if record.levelno <= logging.CRITICAL else "ERROR"
        logger.opt(depth=depth, exception=record.exc_info).log(level, record.getMessage())

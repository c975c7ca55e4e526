"""Log lines: for people on a terminal, or one JSON object a line for machines.

Message text is never logged above debug, and secrets never: tracebacks come without the
values of variables (`diagnose=False`), which would print both.
"""

from __future__ import annotations

import inspect
import logging
import sys
from typing import TYPE_CHECKING, Any, Literal

import orjson
from loguru import logger


if TYPE_CHECKING:
    from loguru import Logger, Record


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


def _text(record: Record) -> str:
    facts = "".join(f" <dim>{name}=</dim>{{extra[{name}]}}" for name in record["extra"])
    line = "<dim>{time:HH:mm:ss.SSS}</dim> <level>{level: <7}</level> {message}"
    return f"{line}{facts}\n{{exception}}"


def _json(record: Record) -> str:
    line: dict[str, Any] = {
        "time": record["time"].isoformat(),
        "level": record["level"].name.lower(),
        "message": record["message"],
        **record["extra"],
    }
    if record["exception"] is not None and record["exception"].type is not None:
        line["exception"] = f"{record['exception'].type.__name__}: {record['exception'].value}"
    record["extra"]["_line"] = orjson.dumps(line, default=str).decode()
    return "{extra[_line]}\n"


class _FromStandardLibrary(logging.Handler):
    """Hands on what libraries log."""

    def emit(self, record: logging.LogRecord) -> None:
        frame, depth = inspect.currentframe(), 0
        while frame and (depth == 0 or frame.f_code.co_filename == logging.__file__):
            frame, depth = frame.f_back, depth + 1
        level = record.levelname if record.levelno <= logging.CRITICAL else "ERROR"
        logger.opt(depth=depth, exception=record.exc_info).log(level, record.getMessage())

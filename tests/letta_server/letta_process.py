"""Runs inside Letta's own environment: make the tables, then serve. Arguments: host and port.

The package brings no migrations, so the tables are made from its models. One process does
both, because importing Letta takes seconds.
"""

from __future__ import annotations

import asyncio
import sys

import nltk
from letta.database_utils import get_database_uri_for_context
from letta.orm import Base
from letta.server.rest_api.app import start_server
from letta.settings import settings
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine


# What the models do not say and the migrations would have made.
BEFORE = ("CREATE EXTENSION vector",)
AFTER = (
    "CREATE SEQUENCE message_seq_id",
    "ALTER TABLE messages ALTER COLUMN sequence_id SET DEFAULT nextval('message_seq_id')",
)


async def make_tables() -> None:
    engine = create_async_engine(get_database_uri_for_context(settings.letta_pg_uri, "async"))
    async with engine.begin() as connection:
        for statement in BEFORE:
            await connection.execute(text(statement))
        await connection.run_sync(Base.metadata.create_all)
        for statement in AFTER:
            await connection.execute(text(statement))
    await engine.dispose()


def main() -> None:
    asyncio.run(make_tables())
    nltk.download = lambda *_args, **_kwargs: True  # it would wait for a network
    start_server(host=sys.argv[1], port=int(sys.argv[2]))


if __name__ == "__main__":
    main()

"""A real Letta server for the tests: installed once, started and ended by each run.

By hand, from the project's directory:

    python -m tests.letta_server up       start one that stays, and say where it is
    python -m tests.letta_server status   is one running?
    python -m tests.letta_server down     end it

Tests use one that was started by hand if there is one (never where `CI` is set), and otherwise
start their own on free ports and end it.
"""

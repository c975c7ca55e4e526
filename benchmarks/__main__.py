"""The gateway beside others, measured.

python -m benchmarks                  all contenders, a quarter of an hour; writes RESULTS.md
python -m benchmarks --quick          one minute, those that need no installation
python -m benchmarks --only NAME      one of them, beside the raw passthrough; Letta 0.16's own
                                      endpoint only so: it takes minutes by itself
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from benchmarks import report
from benchmarks.contender import Contender
from benchmarks.contenders.fastapi import FastApi
from benchmarks.contenders.letta_openai import LettaOpenAi
from benchmarks.contenders.letta_server import LettaServer
from benchmarks.contenders.litellm import LiteLlm
from benchmarks.contenders.nginx import Nginx
from benchmarks.contenders.ours import Ours
from benchmarks.contenders.raw import Raw
from benchmarks.run import Plan, run_or_exit


CONTENDERS: Sequence[Contender] = (Raw(), Nginx(), Ours(), FastApi(), LiteLlm(), LettaOpenAi())
ALL = (*CONTENDERS, LettaServer())
QUICK: Sequence[Contender] = (Raw(), Nginx(), Ours())
QUICK_PLAN = Plan(rounds=1, starts=1, once=())


def main() -> None:
    """Read the command line, measure, and show."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one minute; RESULTS.md is left alone")
    parser.add_argument(
        "--only", action="append", metavar="NAME", help="part of a contender's name"
    )
    told = parser.parse_args()
    chosen = QUICK if told.quick else CONTENDERS
    if told.only:
        if not any(_named(each, told.only) for each in ALL):
            parser.error(f"there is none of this name, but {', '.join(e.name for e in ALL)}")
        chosen = [each for each in ALL if each.name == Raw().name or _named(each, told.only)]
    results = run_or_exit(chosen, QUICK_PLAN if told.quick else Plan())
    text = report.text(results, Raw().name)
    print(f"\n{text}")
    if not told.quick and not told.only:
        report.write(text)


def _named(contender: Contender, parts: Sequence[str]) -> bool:
    return any(part.lower() in contender.name.lower() for part in parts)


if __name__ == "__main__":
    main()

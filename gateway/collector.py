"""Python's garbage collector, kept from holding up streams.

As it is by default it looks for garbage in what the start has made, which takes it 0.1 s, and
in open streams, which take about as long for each thousand; and so often, that with many
short answers a sixth of all time is spent on it. There is next to none: what a request took is
freed at its end, without the collector.
"""

from __future__ import annotations

import gc


# It looks at what is new when there are so many new objects more than have gone. A request
# has some three hundred, and they are nearly all in use: who looks at fewer than a hundred
# requests take looks in vain, again and again. Looking at one takes up to half a microsecond.
NEW = 40_000

# Every second time it looks at what it has found in use the time before as well: the longest
# pause is a look at twice as many.
YOUNG = 0

# It looks at all that lives for long after so many looks at what has lived for a while.
SELDOM = 100


def spare() -> None:
    """From now on it does not look at what there is, and seldom at the rest."""
    gc.freeze()
    gc.set_threshold(NEW, YOUNG, SELDOM)

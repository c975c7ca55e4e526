"""Python's garbage collector, kept from holding up streams.

As it is by default it looks for garbage in what the start has made, which takes it 0.1 s, and
in open streams, which take about as long for each thousand; and so often, that with many
short answers a sixth of all time is spent on it. There is next to none: what a request took is
freed at its end, without the collector.
"""

from __future__ import annotations

import gc


# It looks at what is new when there are so many new objects more than have gone. A request
# has some three hundred, and looking at one takes a microsecond.
NEW = 5000

# It looks at all that lives for long after so many looks at what has lived for a while.
SELDOM = 100


def spare() -> None:
    """From now on it does not look at what there is, and seldom at the rest."""
    gc.freeze()
    _, middle, _ = gc.get_threshold()
    gc.set_threshold(NEW, middle, SELDOM)

"""What programs build on the tree: locks, elections, barriers, queues, counters, parties and caches.

Each is one file and uses only the public client. Names and layouts of nodes are those of the Python client kazoo, so that
both may contend for the same lock or serve the same queue.
"""

from __future__ import annotations

from .barrier import Barrier, DoubleBarrier
from .cache import TreeCache
from .certainty import while_certain
from .counter import Counter
from .election import Election
from .lock import Lock
from .party import Party
from .queue import Queue

__all__ = [
    "Barrier",
    "Counter",
    "DoubleBarrier",
    "Election",
    "Lock",
    "Party",
    "Queue",
    "TreeCache",
    "while_certain",
]

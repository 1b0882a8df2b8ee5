"""The cycle collector around a node's start."""

from __future__ import annotations

import gc

from coord.kit.serve import COLLECTOR, rest_collector, wake_collector


def test_the_collector_rests_at_the_start_and_forgets_what_that_built() -> None:
    """A tree of a million nodes is not looked at again and again."""
    before = gc.get_threshold()
    try:
        rest_collector()
        assert not gc.isenabled()
        built = [[number] for number in range(1000)]
        wake_collector()
        assert gc.isenabled()
        assert gc.get_threshold() == COLLECTOR
        assert gc.get_freeze_count() >= len(built)
        assert not any(one is built for one in gc.get_objects())
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)

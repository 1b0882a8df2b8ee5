"""Consumer groups: membership and offsets. No I/O."""

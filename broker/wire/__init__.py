"""Kafka's message schemas and codec, and record batches: bytes to values and back, no I/O."""

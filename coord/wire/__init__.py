"""Jute records, requests, replies, transactions and quorum packets: bytes to values and back, no I/O."""

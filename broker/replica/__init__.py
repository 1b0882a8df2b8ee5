"""Partition state: leader, epoch, high watermark, and what waits for it. No I/O."""

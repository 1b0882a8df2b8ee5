"""Segments, indexes, recovery, retention and producer state, in Apache Kafka's formats."""

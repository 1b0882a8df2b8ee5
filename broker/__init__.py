"""broker: a message broker that speaks Apache Kafka's protocol."""

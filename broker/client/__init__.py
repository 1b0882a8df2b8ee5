"""What the command line needs of a Kafka client, on trio."""

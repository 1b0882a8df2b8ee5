"""Command lines: broker server, topics, produce, consume; quorate up."""

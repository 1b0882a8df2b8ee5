"""The cluster image, the controller's decisions, and the one place that knows znode paths. No I/O."""

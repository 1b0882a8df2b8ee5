"""coord: a coordination service that speaks Apache ZooKeeper's protocols."""

"""Transaction log, snapshots, epochs and recovery, in Apache ZooKeeper's formats."""

"""ZooKeeper's atomic broadcast: election, leader, learner. No I/O; transaction bytes are opaque to it."""

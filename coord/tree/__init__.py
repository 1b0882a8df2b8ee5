"""The replicated state machine: decide on the leader, apply everywhere; watches, ACLs, sessions. No I/O."""

"""What each kind of trigger has begun by now (semantics §3): one file a kind."""

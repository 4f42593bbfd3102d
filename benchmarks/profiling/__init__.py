"""Where the daemon's CPU time goes: a sampler that rides in its process, and the tables made of what it saw."""

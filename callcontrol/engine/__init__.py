"""Runs the domain: one writer per call, deadlines, recovery, commands from outside; ports to the world."""

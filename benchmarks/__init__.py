"""Timed figures, always as ratios against a baseline of the same run. Nothing here is part of the test suite."""

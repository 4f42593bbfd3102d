"""Calls on the ledger beside the same SQL run bare, interleaved in one run.

`python -m benchmarks.ledger --help`; docs/performance.md says how to read the figures.
"""

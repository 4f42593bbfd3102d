"""Calls through the daemon beside calls through a plain `Dial()`, on one Asterisk, interleaved in one run.

`python -m benchmarks.call_setup --help`; docs/performance.md says how to read the figures.
"""

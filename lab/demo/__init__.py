"""The demo of scripts/run: everything started, one real call, its bill."""

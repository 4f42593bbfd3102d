"""What answers over HTTP: health and metrics, and the local socket of the command line."""

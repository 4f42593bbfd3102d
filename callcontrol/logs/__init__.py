"""The log: set up once per process, cleaned of secrets, with a timeline of every call."""

from callcontrol.logs.setup import configure_logging
from callcontrol.logs.timeline import LoggingObserver

__all__ = ["LoggingObserver", "configure_logging"]

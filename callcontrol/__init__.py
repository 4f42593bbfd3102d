"""Call control beside Asterisk: owns every call in one Stasis application and bills whole minutes exactly once."""

from importlib.metadata import version

__version__ = version("callcontrol")

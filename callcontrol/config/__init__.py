"""Configuration: a TOML file, then `CALLCONTROL_SECTION__KEY` from the environment, into frozen dataclasses.

Secrets come from files or the environment, never from argv, and are in no `repr`. Every problem found is told
at once, each in one line that names the key and the line of the file, or the environment variable.
"""

from callcontrol.config.errors import ConfigError
from callcontrol.config.keys import Key, keys
from callcontrol.config.loading import DEFAULT_PATH, load_config
from callcontrol.config.sections import (
    EMERGENCY_CODES,
    AsteriskConfig,
    CallsConfig,
    Config,
    ControlConfig,
    DatabaseConfig,
    DrainConfig,
    HttpConfig,
    LogConfig,
    NodeConfig,
    SecurityConfig,
)

__all__ = [
    "DEFAULT_PATH",
    "EMERGENCY_CODES",
    "AsteriskConfig",
    "CallsConfig",
    "Config",
    "ConfigError",
    "ControlConfig",
    "DatabaseConfig",
    "DrainConfig",
    "HttpConfig",
    "Key",
    "LogConfig",
    "NodeConfig",
    "SecurityConfig",
    "keys",
    "load_config",
]

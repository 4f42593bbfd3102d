"""File, then environment, then the files that hold secrets."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import get_type_hints

from callcontrol.config.environment import from_environment
from callcontrol.config.errors import ConfigError
from callcontrol.config.keys import keys
from callcontrol.config.sections import Config
from callcontrol.config.source import Given, Source, Values

DEFAULT_PATH = Path("/etc/callcontrol/callcontrol.toml")


def load_config(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Config:
    """Read the configuration. Without `path`, the default file, which may be absent if the environment says enough.

    Relative paths are relative to the file's folder. Raises ConfigError.
    """
    source = Source.read(path or DEFAULT_PATH, required=path is not None)
    values, problems = source.values()
    for key, given, problem in from_environment(os.environ if environ is None else environ):
        if problem:
            problems.append(problem)
        elif key is not None:
            # Also where the file names the secret itself and the environment a file with it, or the reverse.
            values.pop((key.section, key.file_of or f"{key.name}_file"), None)
            values[key.section, key.name] = given
    _read_secret_files(values, problems)
    if ("asterisk", "ari_password") not in values and not problems:
        problems.append(
            f"{source.path}: [asterisk] ari_password is required: set it, or ari_password_file, "
            "or CALLCONTROL_ASTERISK__ARI_PASSWORD" + ("" if source.exists else " (the file does not exist)")
        )
    if problems:
        raise ConfigError(problems)
    sections = {
        section: hint(**{name: given.value for (owner, name), given in values.items() if owner == section})
        for section, hint in get_type_hints(Config).items()
    }
    return Config(**sections)


def _read_secret_files(values: Values, problems: list[str]) -> None:
    """Replace each `..._file` by what is in the file, its last line end apart."""
    for key in [key for key in keys() if key.secret]:
        given = values.pop((key.section, f"{key.name}_file"), None)
        if given is None:
            continue
        try:
            secret = given.value.read_text(encoding="utf-8").rstrip("\r\n")
        except OSError as error:
            problems.append(f"{given.where()}: {given.value} cannot be read: {error.strerror}")
            continue
        except UnicodeDecodeError:
            problems.append(f"{given.where()}: {given.value} is not UTF-8 text")
            continue
        wrong = key.check(secret) if key.check else None
        if wrong:
            problems.append(f"{given.where()}: the content of {given.value} {wrong}")
            continue
        values[key.section, key.name] = Given(secret, given.where)

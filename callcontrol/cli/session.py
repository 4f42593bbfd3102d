"""What every command is given: the configuration, read when first needed, and the way to carry a command out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import click

from callcontrol.cli import gateway
from callcontrol.config import Config, load_config
from callcontrol.engine.admin.commands import Command

F = TypeVar("F", bound=Callable[..., Any])


@dataclass
class Session:
    """One invocation of the command line."""

    config_path: Path | None
    timeout_s: float

    @cached_property
    def config(self) -> Config:
        """Raises ConfigError."""
        return load_config(self.config_path)

    def execute(self, command: Command) -> Any:
        """The command's result as JSON has it: dicts, lists and scalars. Raises AdminError, ConfigError."""
        return gateway.execute(self.config, command, timeout_s=self.timeout_s)


pass_session = click.make_pass_decorator(Session)


def given(**values: object) -> dict[str, Any]:
    """The options that were given: a command's defaults stand for the rest."""
    return {name: value for name, value in values.items() if value is not None}


def as_json_option(command: F) -> F:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")(command)

"""What a configuration that cannot be used raises."""

from __future__ import annotations


class ConfigError(Exception):
    """The configuration cannot be used. `problems`: one line for each thing to mend; `str()`: all of them."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems

"""The log: structlog to standard error, JSON or for people, without secrets, with numbers masked if so configured.

Everything goes through the same processors: ours, and what libraries say through `logging`. What a caller binds with
`structlog.contextvars` (call and channel ids) is on every line of its task.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterable
from typing import Any, TextIO

import structlog

from callcontrol.config import LogConfig
from callcontrol.logs.cleaning import Cleaner

_QUIET = ("aiohttp.access", "sqlalchemy", "alembic", "asyncio")
"""Their INFO and DEBUG tell of every request and every SQL parameter: noise, and personal data."""


def _json(event: Any, **_: Any) -> str:
    return json.dumps(event, ensure_ascii=False, default=repr)


def configure_logging(config: LogConfig, *, secrets: Iterable[str] = (), stream: TextIO | None = None) -> None:
    """Set up structlog and the standard library's loggers for this process. Calling it again replaces all of it."""
    stream = sys.stderr if stream is None else stream
    cleaner = Cleaner(mask_numbers=config.mask_numbers, secrets=secrets)
    before: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        # As text, never with the values of local variables: tokens pass through those.
        structlog.processors.format_exc_info,
        structlog.processors.UnicodeDecoder(),
    ]
    render: Any = structlog.processors.JSONRenderer(serializer=_json)
    if config.format == "console":
        render = structlog.dev.ConsoleRenderer(
            colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback, pad_event_to=22
        )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*before, structlog.stdlib.ExtraAdder()],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, cleaner, render],
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(config.level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *before,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )

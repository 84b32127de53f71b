"""Logging of a long-running process: to standard error, text for people or JSON lines for programs."""

from __future__ import annotations

import logging
import sys

import structlog

from agents.settings.sections import Log

_NOISY = ("aiokafka", "faust", "mode", "httpx", "httpcore", "alembic")
"""Libraries whose informational messages tell an operator nothing."""


def configure_logs(log: Log) -> None:
    """Send everything that is logged through one formatter; call it once, first of all."""
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    rendered: list[structlog.typing.Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
        if log.json_lines
        # No rich tracebacks: they print local variables, and passwords are among them.
        else [
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
        ]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendered],
        )
    )
    level = logging.getLevelNamesMapping()[log.level.upper()]
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in _NOISY:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))

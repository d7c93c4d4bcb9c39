"""Logs: one line an event, named, with its data beside it; the job's id on every line of its work.

What gives access never stands in them: the settings' secrets and the queries of addresses are taken out of each line,
wherever they come from, be it a library's exception.
"""

import logging
import re
import sys

import structlog

from shared.settings import Settings

Logger = structlog.stdlib.BoundLogger


HIDDEN = "***"
# As it stands behind a path, in an address or alone.
_QUERY = re.compile(r"""(?<=[\w/.%~-])\?[^\s"'<>\\)]*=[^\s"'<>\\)]*""")


def _hiding(renderer: structlog.types.Processor, secrets: tuple[str, ...]) -> structlog.types.Processor:
    """Renders a line without what gives access."""

    def render(logger: structlog.types.WrappedLogger, name: str, event: structlog.types.EventDict) -> str:
        line = _QUERY.sub(f"?{HIDDEN}", str(renderer(logger, name, event)))
        for secret in secrets:
            line = line.replace(secret, HIDDEN)
        return line

    return render


def configure_logging(config: Settings) -> None:
    """Send our events and the libraries' records to standard error in one form: JSON, or text on a terminal."""
    renderer = _hiding(
        structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer(sort_keys=True),
        config.secret_texts(),
    )
    common: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=common,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(config.log_level.upper())
    structlog.configure(
        processors=[*common, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def logger(name: str) -> Logger:
    """A logger whose events are names with data beside them."""
    found: Logger = structlog.stdlib.get_logger(name)
    return found

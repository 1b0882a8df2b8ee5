"""Logging of a node: one line for each event, `time level node sentence`, on standard error."""

from __future__ import annotations

import logging
import sys

__all__ = ["set_up_logging"]

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class _OneLine(logging.Formatter):
    """A record is one line; a traceback (debug level alone has any) follows on lines of its own."""

    default_msec_format = "%s.%03d"

    def formatMessage(self, record: logging.LogRecord) -> str:
        return super().formatMessage(record).replace("\n", "\\n")


def set_up_logging(node: str, level: str = "info") -> None:
    """Sends the log of this process to standard error. `node` is what the operator calls it, such as `coord-1`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_OneLine(f"%(asctime)s %(levelname)-7s {node.replace('%', '%%')} %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(LEVELS[level])
    logging.captureWarnings(True)

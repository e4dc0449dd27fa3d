"""Logger plugin of Snakemake: what a person sees of a call, by `xsleep.study.view`.

The default profile names it. With ``--verbose``, ``--printshellcmds`` or ``--debug-dag`` the lines
of Snakemake itself are shown.
"""

from __future__ import annotations

import logging
import sys

from snakemake_interface_logger_plugins.base import LogHandlerBase

from xsleep.study.view import VIEW


class LogHandler(LogHandlerBase):
    """Handler that shows events of Snakemake."""

    writes_to_stream = has_filter = has_formatter = True
    writes_to_file = needs_rulegraph = False

    def __post_init__(self) -> None:
        given = self.common_settings
        self.plain: logging.Handler | None = None
        if given.verbose or given.printshellcmds or given.debug_dag:
            from snakemake.logging import ColorizingTextHandler, DefaultFilter, DefaultFormatter

            shown = (given.debug_dag, given.verbose, given.dryrun, given.printshellcmds)
            self.plain = ColorizingTextHandler(
                given.nocolor,
                sys.stdout if given.stdout else sys.stderr,
                DefaultFormatter(given.quiet, given.show_failed_logs),
                DefaultFilter(given.quiet, *shown),
            )
        else:
            VIEW.open(given)

    def emit(self, record: logging.LogRecord) -> None:
        """Show a record. An error in showing it neither ends the call nor hides what failed."""
        try:
            if self.plain:
                self.plain.handle(record)
            else:
                VIEW.handle(record)
        except Exception:
            if record.levelno >= logging.WARNING:
                print(record.getMessage(), file=sys.stderr)

    def close(self) -> None:
        """End the view."""
        VIEW.close()
        super().close()

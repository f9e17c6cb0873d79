"""The command line: `python -m local.host --help`."""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from local.host.config import HostConfig, RefusedError
from local.host.logs import configure_logging, without_secrets
from local.host.runtime import Host
from local.served import StopSignal, terminate_at_end_of_input, write_ready_file

_DESCRIPTION = """\
Serve one Azure Functions app (Python, model v2) on this machine, without Core Tools.
HTTP, timer, blob and queue triggers; Event Grid events at /runtime/webhooks/blobs;
/admin/functions.
Stops on Ctrl-C or SIGTERM. Exit codes: 0 stopped, 1 the app or a setting cannot work.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until a signal to stop; return the exit code."""
    options = _parser().parse_args(arguments)
    configure_logging(lambda: "host", level=logging.DEBUG if options.verbose else logging.INFO)
    host: Host | None = None
    code = 0
    stop = StopSignal()
    try:
        stop.interrupts = True  # a start may take long
        config = HostConfig.load(
            options.app,
            options.settings,
            poll_blobs=options.poll_blobs,
            function_timeout=options.function_timeout,
        )
        host = Host(config, options.port)
        host.start()
        write_ready_file(options.ready_file, url=host.url, pid=os.getpid())
        if options.until_eof:
            terminate_at_end_of_input()
        stop.interrupts = False
        stop.wait()
    except KeyboardInterrupt:
        pass  # said below
    except RefusedError as error:
        print(without_secrets(f"cannot serve: {error}"), file=sys.stderr)
        code = 1
    finally:
        stop.interrupts = False
        if stop.came:
            logging.info("stopping")  # noqa: LOG015 - the root logger is this program's own
        if host:
            host.stop()
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local.host",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--app", type=Path, default=Path(), metavar="FOLDER", help="with function_app.py (.)")
    add(
        "--settings",
        type=Path,
        metavar="FILE",
        help="app settings, before those of the environment (FOLDER/local.settings.json)",
    )
    add("--port", type=int, default=7071, help="on loopback; 0: a free port (%(default)s)")
    add("--ready-file", type=Path, metavar="PATH", help="gets url and pid when it serves")
    add(
        "--poll-blobs",
        type=float,
        default=1.0,
        metavar="SECONDS",
        help="the time between two listings of a container; 0: only events (%(default)s)",
    )
    add(
        "--function-timeout",
        type=float,
        metavar="SECONDS",
        help="in place of that of host.json; negative: no time-out",
    )
    add("--until-eof", action="store_true", help="also stop when standard input ends")
    add("--verbose", action="store_true", help="log at level DEBUG")
    return parser


if __name__ == "__main__":
    sys.exit(main())

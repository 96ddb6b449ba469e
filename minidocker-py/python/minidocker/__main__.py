"""``python -m minidocker``: serves the dashboard."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from . import _minidocker
from ._errors import Error


def main(arguments: Sequence[str] | None = None) -> int:
    """Serves the dashboard until Ctrl-C. Returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        dashboard = _minidocker.Dashboard(
            "127.0.0.1" if options.host == "localhost" else options.host,
            options.port,
            options.root,
            os.environ.get("MINIDOCKER_BACKEND") or None,
            options.allow_host,
            _caller_of_sudo(),
        )
    except (Error, ValueError) as error:
        print(f"minidocker: {error}", file=sys.stderr)
        return 1
    print(
        f"minidocker is at {dashboard.url} (containers in {dashboard.root}; "
        "Ctrl+C ends the server, not them)"
    )
    if dashboard.is_public:
        print(
            "Other machines can reach it, and who enters can start processes as this user: keep "
            "the link secret, and mind that nothing is encrypted."
        )
    who = "Enter" if dashboard.is_public else "Other users of this machine enter"
    print(f"{who} by {dashboard.login_url}", flush=True)
    try:
        dashboard.run()
    except KeyboardInterrupt:
        pass
    except Error as error:
        print(f"minidocker: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="minidocker", description="Serves minidocker's dashboard and REST API on this machine."
    )
    parser.add_argument("--version", action="version", version=_minidocker.__version__)
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="the address to listen on (default: %(default)s). Another lets other machines in, "
        "who need the token that is printed; nothing is encrypted",
    )
    parser.add_argument(
        "--port",
        type=_port,
        default=5000,
        help="the port to listen on; 0 takes any that is free (default: %(default)s)",
    )
    parser.add_argument(
        "--root",
        type=os.path.expanduser,
        help="the folder that holds the containers (default: $MINIDOCKER_ROOT, else "
        "/var/lib/minidocker for root and ~/.local/share/minidocker for others)",
    )
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a name under which the server may be addressed, besides those of this machine; may "
        "be given several times",
    )
    return parser


def _port(text: str) -> int:
    number = int(text) if text.isdecimal() else -1
    if not 0 <= number <= 0xFFFF:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port, a number from 0 to 65535")
    return number


def _caller_of_sudo() -> list[int]:
    """Who called sudo to start us shall need no token."""
    caller = os.environ.get("SUDO_UID", "")
    return [int(caller)] if os.geteuid() == 0 and caller.isdigit() else []


if __name__ == "__main__":
    sys.exit(main())

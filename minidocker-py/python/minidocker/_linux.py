"""Says at the import where this package does not work, before something else fails."""

from __future__ import annotations

import importlib
import sys


def _check() -> None:
    for name in ("fcntl", "termios"):
        try:
            importlib.import_module(name)
        except ImportError as missing:
            raise ImportError(
                f"minidocker needs Linux, and this Python ({sys.platform}) has no module {name!r}: "
                "containers are made of the Linux kernel's namespaces and cgroups. On Windows, use "
                "it within WSL 2 (https://learn.microsoft.com/windows/wsl/install); on macOS, "
                "within a virtual machine with Linux.",
                name=name,
            ) from missing


_check()

"""Containers you can read, from Python.

For now the package tells its version only; the bindings grow on it.

>>> import minidocker
>>> minidocker.__version__.count(".")
2
"""

from ._minidocker import __version__

__all__ = ["__version__"]

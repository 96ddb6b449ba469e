"""Types that annotations name. They are there when the program runs, so that
``typing.get_type_hints`` and ``inspect.signature(eval_str=True)`` work on everything public."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, Union

__all__ = ["BytesLike", "Readable", "Self", "StrPath", "Unpack", "Writable"]

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack
elif sys.version_info >= (3, 11):
    from typing import Self, Unpack
else:
    Self = Any

    class Unpack:
        """Stands for what it is given, where Python has none of its own."""

        def __class_getitem__(cls, item: Any) -> Any:
            return item


T_co = TypeVar("T_co", covariant=True)
T_contra = TypeVar("T_contra", contravariant=True)

#: A path of the host, or of a container: text, or what ``os.fspath`` makes text of.
StrPath = Union[str, os.PathLike[str]]

#: Bytes in memory. (Other objects with a buffer, such as arrays, are taken too.)
BytesLike = Union[bytes, bytearray, memoryview]


class Readable(Protocol[T_co]):
    """What is open for reading: a file, a pipe, ``io.BytesIO``, …"""

    def read(self, size: int, /) -> T_co:
        """So many bytes or letters, or fewer; none at the end."""
        ...


class Writable(Protocol[T_contra]):
    """What is open for writing."""

    def write(self, data: T_contra, /) -> object:
        """Takes it."""
        ...

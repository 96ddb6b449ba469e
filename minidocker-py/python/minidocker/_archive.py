"""What an archive, or the content of a file, is read from and written to."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from typing import Any, Union

from ._typing import BytesLike, Readable, StrPath, Writable

#: An archive to be read: its path, a file that is open for reading bytes, or the bytes.
Archive = Union[StrPath, BytesLike, Readable[bytes]]

#: Where an archive is written: a path, or a file that is open for writing bytes.
ArchiveTarget = Union[StrPath, Writable[bytes]]


def host_path(name: str, path: Any) -> str:
    """A path of this machine as ``os.fspath`` and ``expanduser`` make it."""
    try:
        return os.path.expanduser(os.fsdecode(path))
    except TypeError:
        kind = type(path).__name__
        raise TypeError(f"{name}: {kind!r} is refused: give a path (str or os.PathLike)") from None


@contextlib.contextmanager
def open_archive(archive: Any) -> Iterator[Any]:
    """What the extension reads: bytes, or a file. Raises ``FileNotFoundError`` and the like with
    the path."""
    if isinstance(archive, (str, os.PathLike)):
        with open(host_path("archive", archive), "rb", buffering=0) as file:
            yield file
        return
    with _opened("archive", archive) as readable:
        yield readable


@contextlib.contextmanager
def open_content(content: Any) -> Iterator[Any]:
    """The same for the content of a file, of which a text is no path."""
    if isinstance(content, str):
        yield content.encode(errors="surrogateescape")
        return
    with _opened("content", content) as readable:
        yield readable


@contextlib.contextmanager
def _opened(name: str, source: Any) -> Iterator[Any]:
    try:
        yield memoryview(source).tobytes()
        return
    except TypeError:
        if not callable(getattr(source, "read", None)) or isinstance(source, type):
            kind = type(source).__name__
            advice = "give bytes, or a file that is open for reading: open(path, 'rb')"
            raise TypeError(f"{name}: {kind!r} is refused: {advice}") from None
    _refuse_text(name, source, "rb")
    yield source


@contextlib.contextmanager
def open_target(target: Any) -> Iterator[Any]:
    """What the extension writes to."""
    if isinstance(target, (str, os.PathLike)):
        with open(host_path("archive", target), "wb", buffering=0) as file:
            yield file
        return
    if not callable(getattr(target, "write", None)):
        kind = type(target).__name__
        raise TypeError(f"archive: {kind!r} is refused: give a path, or a file open for writing")
    _refuse_text("archive", target, "wb")
    yield target


def _refuse_text(name: str, file: Any, mode: str) -> None:
    if isinstance(file, io.TextIOBase):
        raise TypeError(f"{name}: {file!r} is refused: it is open for text; open it with {mode!r}")

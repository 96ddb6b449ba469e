"""Records from the library's JSON form and back, by the types that their fields have."""

from __future__ import annotations

import dataclasses
import enum
import typing
from datetime import datetime, timedelta, timezone
from typing import Any, Callable, TypeVar, Union
from urllib.parse import unquote_to_bytes

from ._records import LogEntry
from ._words import Stream

T = TypeVar("T")


#: Which dataclass has which way of being made from JSON.
_DECODERS: dict[type, Callable[[Any], Any]] = {}


def decode(kind: type[T], raw: Any) -> T:
    """Makes a record from the library's JSON form. What it does not know it passes over, so that
    a newer library goes with older types."""
    result: T = _decoder(kind)(raw)
    return result


def _decoder(kind: Any) -> Callable[[Any], Any]:
    if dataclasses.is_dataclass(kind):
        found = _DECODERS.get(kind)  # type: ignore[arg-type]
        if found is None:
            found = _DECODERS[kind] = _dataclass_decoder(kind)  # type: ignore[index,arg-type]
        return found
    if kind is datetime:
        return _time
    if kind is bytes:
        return unquote_to_bytes
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return kind
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Union:
        return _union_decoder([argument for argument in arguments if argument is not type(None)])
    if origin is tuple:
        item = _decoder(arguments[0])
        return lambda raw: tuple(item(each) for each in raw)
    return _as_it_is


def _as_it_is(raw: Any) -> Any:
    return raw


def _union_decoder(kinds: list[Any]) -> Callable[[Any], Any]:
    decoders = [_decoder(kind) for kind in kinds]

    def union(raw: Any) -> Any:
        if raw is None:
            return None
        if len(decoders) == 1:
            return decoders[0](raw)
        # A word that an enum may know, or words: `str` or `Tuple[str, ...]`.
        if isinstance(raw, list):
            return tuple(raw)
        if isinstance(raw, str) and dataclasses.is_dataclass(kinds[0]):
            return raw
        try:
            return decoders[0](raw)
        except ValueError:
            return raw

    return union


def _dataclass_decoder(kind: type) -> Callable[[Any], Any]:
    hints = typing.get_type_hints(kind)
    fields = [
        (each.name, each.metadata.get("wire", each.name), _decoder(hints[each.name]))
        for each in dataclasses.fields(kind)
    ]

    def make(raw: dict[str, Any]) -> Any:
        given = {name: of(raw[wire]) for name, wire, of in fields if wire in raw}
        return kind(**given)

    return make


def _time(raw: str) -> datetime:
    # 2026-11-23T14:19:33.123456789Z; datetime counts microseconds, and before Python 3.11 it
    # reads no other number of digits than six.
    whole, _, fraction = raw.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{whole}.{fraction[:6]:0<6}+00:00")


_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


#: Looked up for every line of a log.
_STREAMS = {stream.value: stream for stream in Stream}


def log_entry(parts: tuple[int, str, bytes, bool]) -> LogEntry:
    """An entry of the log from its parts."""
    micros, stream, text, full = parts
    time = _EPOCH + timedelta(microseconds=micros)
    return LogEntry(time, _STREAMS[stream], text.decode(errors="replace"), full)


def encode(record: Any) -> dict[str, Any]:
    """The library's JSON form of a record, without what is as it would be anyway."""
    given: dict[str, Any] = {}
    for each in dataclasses.fields(record):
        value = getattr(record, each.name)
        default = each.default
        if each.default_factory is not dataclasses.MISSING:
            default = each.default_factory()
        if default is not dataclasses.MISSING and value == default:
            continue
        if dataclasses.is_dataclass(value):
            value = encode(value)
        elif isinstance(value, tuple):
            value = [encode(item) if dataclasses.is_dataclass(item) else item for item in value]
        given[each.metadata.get("wire", each.name)] = value
    return given

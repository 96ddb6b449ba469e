"""The documentation of fields, where ``help()`` looks for it.

A field is documented by the string after it, where editors and documentation tools find it. Python
itself throws that away, so it is read from the source when somebody asks for the class's text.
"""

from __future__ import annotations

import inspect
import re
import sys
import textwrap
from collections.abc import Iterator
from types import ModuleType
from typing import Any

#: A field and the string after it. Its value may take several lines, which are indented more.
_FIELD = re.compile(
    r'^    (\w+)(?::| =)[^\n]*\n(?:        [^\n]*\n|    \)[^\n]*\n)*    r?"""(.*?)"""$',
    re.MULTILINE | re.DOTALL,
)


class _Completed:
    """The ``__doc__`` of a class: its own text, and what is said of its fields."""

    def __init__(self, written: str) -> None:
        self._written = written
        self._texts: dict[type, str] = {}

    def __get__(self, instance: Any, owner: type) -> str:
        if owner not in self._texts:
            self._texts[owner] = _with_fields(owner, self._written)
        return self._texts[owner]


def _with_fields(kind: type, written: str) -> str:
    fields = "\n".join(
        f"{field}\n{textwrap.indent(text, '    ')}"
        for each in reversed(kind.__mro__)
        for field, text in _fields(each)
    )
    return f"{inspect.cleandoc(written)}\n\nFields:\n\n{fields}\n" if fields else written


def _fields(kind: type) -> Iterator[tuple[str, str]]:
    """The fields of a class of this package, with the strings after them."""
    if not kind.__module__.startswith("minidocker"):
        return
    try:
        source = inspect.getsource(sys.modules[kind.__module__])
    except (OSError, TypeError):  # without its source
        return
    found = re.search(rf"^class {kind.__name__}\b.*?(?=^\S|\Z)", source, re.MULTILINE | re.DOTALL)
    for field in _FIELD.finditer(found[0] if found else ""):
        name, text = field.groups()
        # A text, of which some classes make an object that holds it.
        annotation = getattr(kind, "__annotations__", {}).get(name)
        annotation = getattr(annotation, "__forward_arg__", annotation)
        yield f"{name}: {annotation}" if annotation else name, inspect.cleandoc(text)


#: Stands for an option that is not given. (Its class has no name by which stubtest, which would ask
#: for a default of the option's type, finds it.)
_UNSET: Any = type("unset", (), {"__repr__": lambda self: "unset"})()


def _name_options(function: Any, options: type) -> None:
    """Names the options in the signature of a function that takes them as ``**options``: for
    ``help()``, and for the completion in notebooks, which looks at live objects."""
    if f"Unpack[{options.__name__}]" not in function.__annotations__.values():
        return
    signature = inspect.signature(function)
    *others, last = signature.parameters.values()
    named = (
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=_UNSET,
            annotation=getattr(annotation, "__forward_arg__", annotation),
        )
        for name, annotation in options.__annotations__.items()
        # Some name one of them themselves.
        if name not in signature.parameters
    )
    function.__signature__ = signature.replace(parameters=[*others, *named, last])


def complete(module: ModuleType, options: type) -> None:
    """Completes what a module shows: the text of classes with fields, and the signature of what
    takes options."""
    for name in module.__all__:
        kind = getattr(module, name)
        if not getattr(kind, "__module__", "").startswith("minidocker"):
            continue
        if isinstance(kind, type):
            for member in vars(kind).values():
                if inspect.isfunction(member):
                    _name_options(member, options)
            if kind.__doc__:
                # Of a class with a metaclass, help() takes what is there for text.
                plain = type(kind) is type
                text = _Completed(kind.__doc__) if plain else _with_fields(kind, kind.__doc__)
                kind.__doc__ = text  # type: ignore[assignment]
        elif inspect.isfunction(kind):
            _name_options(kind, options)

"""Docstrings: on everything, and their examples are true."""

from __future__ import annotations

import doctest
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import minidocker as md
import pytest
from minidocker import _minidocker, aio


def _documented() -> Iterator[tuple[str, Any]]:
    """Everything public, by its full name."""
    yield "minidocker", md
    for module in (md, aio):
        for name in module.__all__:
            value = getattr(module, name)
            if name.startswith("__"):
                continue
            yield f"{module.__name__}.{name}", value
            if inspect.isclass(value) and value.__module__.startswith("minidocker"):
                for member, content in vars(value).items():
                    if not member.startswith("_") and _needs_words(content):
                        yield f"{module.__name__}.{name}.{member}", content


def _needs_words(member: Any) -> bool:
    return inspect.isfunction(member) or isinstance(member, (property, classmethod, staticmethod))


DOCUMENTED = dict(_documented())
WITH_EXAMPLES = [name for name, value in DOCUMENTED.items() if ">>>" in (value.__doc__ or "")]


@pytest.mark.parametrize("name", DOCUMENTED)
def test_it_is_documented(name: str) -> None:
    words = inspect.getdoc(DOCUMENTED[name])
    assert words
    assert not words.startswith(("str(object", "An enumeration")), words


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_its_examples_are_true(name: str) -> None:
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    runner = doctest.DocTestRunner(optionflags=flags)
    finder = doctest.DocTestFinder(recurse=False)
    said: list[str] = []
    for test in finder.find(DOCUMENTED[name], name, globs={}):
        runner.run(test, out=said.append)
    assert runner.tries > 0
    assert runner.failures == 0, "".join(said)


def test_the_fields_of_records_are_documented() -> None:
    """By a comment `#:` before each, as Sphinx reads them."""
    import dataclasses

    from minidocker import _doctor, _exec, _plan, _records, _stats

    for module in (_records, _stats, _plan, _exec, _doctor):
        lines = inspect.getsource(module).splitlines()
        for number, line in enumerate(lines):
            field, _, kind = line.strip().partition(": ")
            if line.startswith("    ") and not line.startswith("     ") and kind[:1].isupper():
                found = [
                    value
                    for value in vars(module).values()
                    if dataclasses.is_dataclass(value)
                    and field in {each.name for each in dataclasses.fields(value)}
                ]
                if found and field.isidentifier():
                    assert lines[number - 1].strip().startswith("#:"), (module.__name__, line)


def test_the_extension_is_documented_too() -> None:
    for name in dir(_minidocker):
        value = getattr(_minidocker, name)
        if inspect.isclass(value):
            assert value.__doc__, name
            for member, content in vars(value).items():
                if not member.startswith("_"):
                    assert content.__doc__, f"{name}.{member}"


def test_the_readme_s_python_is_true() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})
    assert md.Runtime().list() == []

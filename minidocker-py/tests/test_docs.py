"""Docstrings: on everything, and their examples are true."""

from __future__ import annotations

import dataclasses
import doctest
import enum
import importlib.metadata
import inspect
import pydoc
import re
import subprocess
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jedi  # type: ignore[import-untyped]
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


def _with_fields() -> Iterator[tuple[str, Any, set[str]]]:
    """Everything public that has fields, and their names."""
    for name, kind in DOCUMENTED.items():
        if not inspect.isclass(kind) or not kind.__module__.startswith("minidocker"):
            continue
        if dataclasses.is_dataclass(kind):
            yield name, kind, {each.name for each in dataclasses.fields(kind)}
        elif issubclass(kind, enum.Enum):
            yield name, kind, set(kind.__members__)
        elif issubclass(kind, (md.Error, dict, tuple)):
            yield name, kind, set(getattr(kind, "__annotations__", {}))


@pytest.mark.parametrize(("name", "kind", "fields"), [*_with_fields()])
def test_help_shows_what_each_field_is(name: str, kind: Any, fields: set[str]) -> None:
    shown = pydoc.plain(pydoc.render_doc(kind))
    for field in fields:
        found = re.search(rf"^ \|  {field}(: [^\n]*)?\n \|      (\S[^\n]*)", shown, re.MULTILINE)
        assert found, f"{name}.{field}"


def test_help_of_what_takes_options_names_them() -> None:
    for function in (md.run, md.compare, md.Runtime.create, md.aio.run, md.aio.Runtime.create):
        signature = inspect.signature(function)
        assert set(md.Options.__annotations__) <= set(signature.parameters), function


def test_the_annotations_of_everything_public_can_be_evaluated() -> None:
    """As pydantic, typer, FastAPI and agents' tools do."""
    for name, value in DOCUMENTED.items():
        function = value.fget if isinstance(value, property) else value
        if inspect.isfunction(function) or inspect.isclass(function):
            try:
                typing.get_type_hints(function)
            except Exception as error:
                pytest.fail(f"{name}: {error!r}")


CALLS = [
    "md.run('x', ",
    "rt.create('x', 'y', ",
    "rt.check('x', 'y', ",
    "rt.create_from(None, 'y', ",
    "md.compare('x', without='pid', ",
    "md.aio.run('x', ",
    "md.aio.compare('x', without='pid', ",
    "aio_rt.create('x', 'y', ",
]


@pytest.mark.parametrize("call", CALLS)
def test_editors_and_notebooks_complete_the_options(call: str, linux: md.Runtime) -> None:
    """By what is written, and by what is there."""
    before = "import minidocker as md\nrt = md.Runtime()\naio_rt = md.aio.Runtime()\n"
    there = {"md": md, "rt": linux, "aio_rt": aio.Runtime.of(linux)}
    for completions in (
        jedi.Script(before + call).complete(4, len(call)),
        jedi.Interpreter(call, [there]).complete(1, len(call)),
    ):
        names = {each.name.rstrip("=") for each in completions}
        assert set(md.Options.__annotations__) <= names


def test_an_import_where_there_is_no_linux_says_so() -> None:
    for missing in ("fcntl", "termios"):
        code = f"import sys; sys.modules[{missing!r}] = None; import minidocker"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode == 1
        last = done.stderr.strip().splitlines()[-1]
        assert last.startswith("ImportError: minidocker needs Linux"), last
        assert missing in last
        assert "WSL" in last


def test_the_licences_are_those_of_the_repository() -> None:
    package = Path(__file__).parents[1]
    for name in ("LICENSE-MIT", "LICENSE-APACHE"):
        assert (package / name).read_text() == (package.parent / name).read_text()
    metadata = importlib.metadata.metadata("minidocker")
    assert set(metadata.get_all("License-File") or []) == {"LICENSE-MIT", "LICENSE-APACHE"}
    assert metadata["Author"]
    assert metadata.get_all("Project-URL")


def test_the_extension_is_documented_too() -> None:
    for name in dir(_minidocker):
        value = getattr(_minidocker, name)
        if inspect.isclass(value):
            assert value.__doc__, name
            for member, content in vars(value).items():
                if not member.startswith("_"):
                    assert content.__doc__, f"{name}.{member}"


@pytest.mark.parametrize("folder", [1, 2])
def test_the_readme_s_python_is_true(folder: int) -> None:
    readme = (Path(__file__).parents[folder] / "README.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    assert blocks
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
    assert md.Runtime().list() == []

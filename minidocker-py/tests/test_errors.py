"""What is raised, and what it tells."""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any

import minidocker as md
import pytest
from minidocker._errors import _KINDS


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"memory_mb": 0}, "mem_limit_mb"),
        ({"memory": "1.5m"}, "memory"),
        ({"memory": "lots"}, "memory"),
        ({"memory": True}, "memory"),
        ({"memory": "64m", "memory_mb": 64}, "memory"),
        ({"cpu_percent": 0}, "cpu_limit_percent"),
        ({"cpu_percent": 10_000_000}, "cpu_limit_percent"),
        ({"volumes": ["relative:/app"]}, "volumes"),
        ({"volumes": "/srv:/app"}, "volumes"),
        ({"volumes": {"/no/such/folder": "/app"}}, "volumes"),
        ({"env": {"A B": "x"}}, "env_vars"),
        ({"restart": "sometimes"}, "restart"),
        ({"user": "a:b:c"}, "user"),
        ({"rlimits": {"nofile": (2, 1)}}, "rlimits"),
        ({"health_check": "'"}, "health_check"),
        ({"isolation": {"walls": False}}, "body"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(
    runtime: md.Runtime, options: dict[str, Any], field: str
) -> None:
    with pytest.raises(md.InvalidSpec) as caught:
        runtime.create("a", "true", **options)
    assert isinstance(caught.value, ValueError)
    assert caught.value.field == field
    assert caught.value.hint
    assert caught.value.hint in str(caught.value)
    assert runtime.list() == []


def test_a_misspelt_keyword_is_a_type_error(linux: md.Runtime) -> None:
    with pytest.raises(TypeError, match="memry"):
        linux.create("a", "true", memry="64m")  # type: ignore[call-arg]
    with pytest.raises(md.InvalidSpec, match="JSON"):
        linux.create("a", "true", env={"A": object()})  # type: ignore[dict-item]


def test_names_are_found_or_not(runtime: md.Runtime) -> None:
    with pytest.raises(md.ContainerNotFound) as caught:
        runtime.get("nobody")
    assert isinstance(caught.value, LookupError)
    assert caught.value.name == "nobody"
    with pytest.raises(md.ImageNotFound):
        runtime.image("nothing")
    with runtime.create("taken", "true"), pytest.raises(md.NameInUse, match="Choose another"):
        runtime.create("taken", "true")


def test_a_start_that_fails_names_step_call_and_errno(linux: md.Runtime) -> None:
    with linux.create(None, ["/no/such/program"]) as container:
        with pytest.raises(md.StartFailed) as caught:
            container.start()
        error = caught.value
        assert (error.step, error.errno, error.name) == ("exec", 2, container.name)
        assert "execve" in error.call
        assert container.status is md.Status.ERROR
        assert container.inspect().reason
        with pytest.raises(md.StartFailed):
            container.wait()


def test_an_operation_in_the_wrong_state_says_what_first(runtime: md.Runtime) -> None:
    with runtime.create(None, "sleep 60") as container:
        with pytest.raises(md.WrongState, match="Start it"):
            container.pause()
        container.start()
        with pytest.raises(md.WrongState) as caught:
            container.delete()
        assert caught.value.status == "running"


def test_every_error_survives_the_way_between_processes() -> None:
    for code, kind in _KINDS.items():
        error = md._errors.from_library(code, "what", "do this", {"name": "a"})
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again)) == (kind, str(error))
        assert (again.name, again.code, again.hint) == ("a", code, error.hint)
        assert str(error).startswith("what\n")


def test_every_code_of_the_library_has_its_exception() -> None:
    source = (Path(__file__).parents[2] / "minidocker-rt" / "src" / "error.rs").read_text()
    codes = set(re.findall(r'Error::\w+(?: \{ \.\. \})? => "(\w+)"', source))
    assert len(codes) > 15
    # An interrupted wait raises what the signal handler raised.
    assert codes - {"interrupted"} == set(_KINDS) - {"dashboard"}

"""What notebooks show."""

from __future__ import annotations

import dataclasses
import re
from html.parser import HTMLParser

import minidocker as md
import pytest

#: Every text that a stranger may choose.
HOSTILE = "<script>alert('x')</script>\"'&<img src=x onerror=alert(1)>"


class Checker(HTMLParser):
    """Knows which tags we write, and that each is closed."""

    allowed = frozenset(
        (
            *("b", "br", "code", "details", "div", "i", "p", "pre", "rect", "span", "summary"),
            *("svg", "table", "td", "text", "th", "title", "tr"),
        )
    )

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        assert tag in self.allowed, tag
        for name, value in attributes:
            assert not name.startswith("on"), name
            assert "javascript:" not in (value or "")
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def checked(html: str) -> str:
    """The text of HTML that is safe and well formed."""
    checker = Checker()
    checker.feed(html)
    checker.close()
    assert checker.open == []
    return checker.text


def test_everything_is_shown_and_nothing_is_executed(linux: md.Runtime) -> None:
    command = ["sh", "-c", f"echo {HOSTILE!r}; sleep 60", HOSTILE]
    with linux.create("box", command, memory_mb=64, env={"X": HOSTILE}) as container:
        assert "created" in checked(container._repr_html_())
        assert "The plan" in checked(container.plan()._repr_html_())
        container.start()
        assert HOSTILE in checked(container._repr_html_())
        assert "processes" in checked(container.stats(over=0.2)._repr_html_())
        assert HOSTILE in checked(linux._repr_html_())
        trace = container.trace()
        assert trace is not None
        assert "Built in" in checked(trace._repr_html_())
    assert "no container" in checked(container._repr_html_())
    assert "no containers" in checked(linux._repr_html_())
    with linux.create(None, ["/no/such/<b>program"]) as container:
        with pytest.raises(md.StartFailed):
            container.start()
        trace = container.trace()
        assert trace is not None
        assert "Failed" in checked(trace._repr_html_())
        assert "error" in checked(container._repr_html_())
    compared = md.compare(["echo", HOSTILE], without="uts", runtime=linux)
    assert checked(compared._repr_html_()).count(HOSTILE) == 3
    assert "backend" in checked(md.doctor(linux)._repr_html_())


def test_outputs_are_compared_in_columns_of_a_terminal_s_letters(linux: md.Runtime) -> None:
    html = md.compare("uname -n", without="uts", runtime=linux)._repr_html_()
    checked(html)
    assert "table-layout:fixed" in html
    assert html.count("width:50%") == 2
    assert len(re.findall(r"<pre style=\"[^\"]*monospace", html)) == 2


def test_results_and_records_are_shown_too(linux: md.Runtime) -> None:
    code = 'echo "$1"; echo err >&2; exit 3'
    result = md.run(["sh", "-c", code, "sh", HOSTILE], runtime=linux)
    assert HOSTILE in checked(result._repr_html_())
    assert "exit code 3" in checked(result._repr_html_())
    assert "nothing" in checked(md.run("true", runtime=linux)._repr_html_())
    with linux.create("box", ["echo", HOSTILE]) as container:
        assert HOSTILE in checked(container.inspect()._repr_html_())
        container.files.write("/note", "x", mode=0o640)
        container.start().wait()
        info = container.files.stat("/note")
        assert "mode=0o640" in repr(info)
        shown = checked(info._repr_html_())
        assert "-rw-r-----" in shown
        assert "0640" in shown
        trace = container.trace()
        assert trace is not None
        long = dataclasses.replace(trace.steps[0], title="a title " * 10 + HOSTILE)
        drawn = dataclasses.replace(trace, steps=(long,))._repr_html_()
        assert "…" in checked(drawn)
        assert long.title in checked(drawn)


def test_reprs_tell_what_one_wants_to_know(linux: md.Runtime) -> None:
    with linux.create("box", "sleep 60") as container:
        assert repr(container) == f"<Container 'box' {container.id[:12]}: created>"
        assert repr(container.logs(follow=True)) == "<Logs of 'box', followed>"
        assert repr(container.files) == "<Files of 'box'>"
        assert repr(linux) == f"<Runtime {linux.root}>"
        assert repr(linux.events()) == "<Events>"
    result = md.run("sh -c 'yes | head -c 9000; exit 2'", runtime=linux)
    assert repr(result).startswith("RunResult(exit_code=2, ")
    assert len(repr(result)) < 500

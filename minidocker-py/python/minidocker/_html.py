"""What a notebook shows: plain HTML with its styles inline, no script, and every text escaped."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING

from ._errors import Error

if TYPE_CHECKING:
    from ._compare import Comparison
    from ._container import Container
    from ._doctor import Examination
    from ._plan import Plan, Trace
    from ._records import ContainerInfo, FileInfo
    from ._result import Result
    from ._runtime import Runtime
    from ._spec import Command
    from ._stats import Stats

# Okabe and Ito's colours, which most people can tell apart; words say the same.
_COLOURS = {
    "running": "#009e73",
    "paused": "#e69f00",
    "restarting": "#56b4e9",
    "created": "#0072b2",
    "stopped": "#777777",
    "error": "#d55e00",
    "supervisor": "#0072b2",
    "init": "#009e73",
    "command": "#e69f00",
    "ok": "#009e73",
    "warning": "#e69f00",
    "problem": "#d55e00",
}
_CARD = "border:1px solid #8886;border-radius:6px;padding:.6em .9em;max-width:60em"
_TABLE = "border-collapse:collapse;text-align:left"
_CELL = "text-align:left;padding:.15em .8em .15em 0;vertical-align:top"

_FIXED = "ui-monospace,Menlo,Consolas,monospace"

#: More rows, or more text, than anyone reads make a notebook slow.
_MOST_ROWS = 50
_MOST_TEXT = 4096
_MOST_TITLE = 36

#: What ``stat.filemode`` shows as the first letter.
_TYPES = {
    "file": stat.S_IFREG,
    "directory": stat.S_IFDIR,
    "symlink": stat.S_IFLNK,
    "fifo": stat.S_IFIFO,
    "socket": stat.S_IFSOCK,
    "character_device": stat.S_IFCHR,
    "block_device": stat.S_IFBLK,
}


def runtime(runtime: Runtime) -> str:
    """All containers in a table."""
    rows = []
    containers = runtime.list()
    for one in containers[:_MOST_ROWS]:
        try:
            info = one.inspect()
        except Error:  # deleted since
            continue
        memory = "" if info.spec.memory_mb is None else f"{info.spec.memory_mb} MB"
        cpu = "" if info.spec.cpu_percent is None else f"{info.spec.cpu_percent} %"
        rows.append(
            (
                f"<b>{escape(info.name)}</b>",
                _badge(info.status),
                _code(_words(info.spec.command)),
                escape(memory),
                escape(cpu),
                escape(str(info.exit or "")),
            )
        )
    left_out = len(containers) - _MOST_ROWS
    rest = f"<p>… and {left_out} more</p>" if left_out > 0 else ""
    table = _table(("name", "status", "command", "memory", "CPU", "last exit"), rows)
    title = f"<b>minidocker</b> {_code(runtime.root)} {escape(str(runtime.backend.kind))}"
    return _card(f"{title}{table if rows else '<p>no containers</p>'}{rest}")


def container(container: Container) -> str:
    """A status card."""
    try:
        known = container.inspect()
        sample = container.stats()
    except Error as error:
        return _card(f"<b>{escape(container.name)}</b> {escape(str(error))}")
    return info(known, _bars(sample) if sample.status.is_alive else "")


def info(info: ContainerInfo, more: str = "") -> str:
    """What is known about a container, as a card."""
    facts = [("command", _code(_words(info.spec.command))), ("id", _code(info.id[:12]))]
    if info.network.ip_address is not None:
        facts.append(("IP address", _code(info.network.ip_address)))
    if info.network.ports:
        facts.append(("ports", _code(", ".join(map(str, info.network.ports)))))
    if info.exit is not None:
        facts.append(("last end", escape(str(info.exit))))
    if info.reason is not None:
        facts.append(("reason", escape(info.reason)))
    if info.health is not None:
        facts.append(("health", escape(str(info.health.status))))
    if info.not_enforced:
        facts.append(("not enforced", escape(", ".join(info.not_enforced))))
    title = f"<b>{escape(info.name)}</b> {_badge(info.status)}"
    return _card(f"{title}{_table(None, facts)}{more}")


def result(result: Result) -> str:
    """How a command ended, and what it wrote."""
    remarks = [escape(str(result.exit)), f"{result.duration:.2f} s"]
    remarks += ["cut off: there was more"] if result.truncated else []
    streams = "".join(
        f"<p style='margin:.4em 0 0'><b>{name}</b></p>{_pre(text)}"
        for name, text in (("stdout", result.stdout), ("stderr", result.stderr))
        if text
    )
    badge = _badge("ok" if result.ok else "problem")
    return _card(f"{badge} {', '.join(remarks)}{streams or '<p>it wrote nothing</p>'}")


def file(info: FileInfo) -> str:
    """A file, as ``ls -l`` shows it."""
    target = "" if info.target is None else f" → {_code(info.target)}"
    facts = [
        ("kind", escape(str(info.kind))),
        ("mode", _code(stat.filemode(_TYPES[info.kind.value] | info.mode) + f" {info.mode:04o}")),
        ("owner", _code(f"{info.uid}:{info.gid}")),
        ("size", escape(f"{info.size:,} bytes")),
        ("modified", escape(f"{info.modified:%Y-%m-%d %H:%M:%S} UTC")),
    ]
    return _card(f"<b>{escape(info.name)}</b>{target}{_table(None, facts)}")


def stats(stats: Stats) -> str:
    """Bars of memory, CPU time and processes against their limits."""
    return _card(f"{_badge(stats.status)} {stats.time:%H:%M:%S} UTC{_bars(stats)}")


def plan(plan: Plan) -> str:
    """The steps, each to be opened."""
    items = []
    for number, step in enumerate(plan, 1):
        simulated = f"<p><i>Simulated: {escape(step.simulated)}</i></p>" if step.simulated else ""
        calls = "<br>".join(_code(call) for call in step.syscalls)
        caution = f"<br><i>{escape(step.caution)}</i>" if step.caution else ""
        items.append(
            f'<details style="margin:.15em 0"><summary>{number}. {_badge(step.actor)} '
            f"<b>{escape(step.title)}</b></summary>"
            f'<div style="margin:.2em 0 .6em 1.4em"><p style="margin:.2em 0">{escape(step.why)}</p>'
            f"{simulated}<p>{calls}</p><p>By hand: {_code(step.shell)}{caution}<br>"
            f"Read: {_code(step.manual)}</p></div></details>"
        )
    return _card(f"<b>The plan: {len(plan)} steps</b>{''.join(items)}")


def trace(trace: Trace) -> str:
    """A timeline: when each step began, and how long it took."""
    width, row, left = 640, 18, 230
    scale = (width - left - 70) / max(trace.micros, 1.0)
    shapes: list[str] = []
    for number, step in enumerate(trace.steps):
        y = number * row
        x = left + step.start_micros * scale
        failed = step.outcome == "failed"
        colour = "#d55e00" if failed else _COLOURS[step.actor.value]
        shown = step.outcome != "not_reached"
        bar = (
            f'<rect x="{x:.1f}" y="{y + 4}" width="{max(step.micros * scale, 1.5):.1f}" '
            f'height="{row - 7}" fill="{colour}"><title>{escape(_calls(step.calls))}</title></rect>'
        )
        after = min(x + step.micros * scale + 4, width - 62)
        label = "failed" if failed else f"{step.micros:.0f} µs"
        shapes.append(
            f'<text x="0" y="{y + 13}" fill="currentColor">{escape(_cut(step.title))}'
            f"<title>{escape(step.title)}</title></text>"
            + (
                f'{bar}<text x="{after:.1f}" y="{y + 13}" fill="currentColor">{label}</text>'
                if shown
                else ""
            )
        )
    picture = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {len(trace.steps) * row}" '
        f'width="{width}" font-size="11" font-family="sans-serif" role="img" '
        f'aria-label="timeline">{"".join(shapes)}</svg>'
    )
    legend = " ".join(_badge(actor) for actor in ("supervisor", "init", "command"))
    failure = ""
    if trace.failure is not None:
        failure = (
            f"<p><b>Failed:</b> {_code(trace.failure.call)}<br>{escape(trace.failure.hint)}</p>"
        )
    return _card(f"<b>Built in {trace.micros / 1000:.1f} ms</b> {legend}<br>{picture}{failure}")


def comparison(comparison: Comparison) -> str:
    """Both outputs side by side."""
    cells = []
    for title, side in (("with", comparison.with_feature), ("without", comparison.without_feature)):
        colour = "#009e73" if title == "with" else "#d55e00"
        cells.append(
            f'<td style="{_CELL};width:50%;border-left:3px solid {colour};padding-left:.6em">'
            f"<b>{title} {escape(comparison.feature)}</b> ({escape(str(side.exit))})"
            f"{_pre(side.stdout + side.stderr)}</td>"
        )
    head = _code(_words(comparison.command))
    # Of equal width, whatever the notebook's own styles say.
    wide = f"{_TABLE};table-layout:fixed;width:100%"
    return _card(f'{head}<table style="{wide}"><tr>{"".join(cells)}</tr></table>')


def examination(examination: Examination) -> str:
    """Each check with what mends it."""
    rows = [
        (
            _badge(check.status),
            f"<b>{escape(check.title)}</b>",
            escape(check.detail) + (f"<br>{_code(check.command)}" if check.command else ""),
        )
        for check in examination.checks
    ]
    return _card(f"<b>backend</b> {escape(str(examination.backend))}{_table(None, rows)}")


def _bars(stats: Stats) -> str:
    memory, cpu, pids = stats.memory, stats.cpu, stats.pids
    rows = [
        _bar(
            "memory",
            memory.used_bytes,
            memory.limit_bytes or memory.machine_bytes,
            f"{memory.used_bytes / 2**20:.1f} of "
            f"{(memory.limit_bytes or memory.machine_bytes) / 2**20:.0f} MB",
        ),
        _bar(
            "processes",
            pids.current,
            pids.limit,
            f"{pids.current}" + (f" of {pids.limit}" if pids.limit else ""),
        ),
    ]
    if cpu.percent is not None:
        rows.insert(
            1,
            _bar(
                "CPU", cpu.percent, cpu.limit_percent or 100.0, f"{cpu.percent:.0f} % of one core"
            ),
        )
    return "".join(rows)


def _bar(name: str, value: float, most: float | None, text: str) -> str:
    share = min(max(value / most, 0.0), 1.0) * 100 if most else 0.0
    colour = "#d55e00" if share > 90 else "#0072b2"
    return (
        f'<div style="margin:.2em 0">{escape(name)} <span style="display:inline-block;width:12em;'
        f'height:.7em;background:#8883;vertical-align:middle"><span style="display:block;'
        f'height:100%;width:{share:.1f}%;background:{colour}"></span></span> {escape(text)}</div>'
    )


def _badge(word: object) -> str:
    text = str(word)
    return (
        f'<span style="background:{_COLOURS.get(text, "#777777")};color:white;border-radius:4px;'
        f'padding:0 .45em;font-size:85%">{escape(text)}</span>'
    )


def _code(text: str) -> str:
    return f'<code style="font-family:{_FIXED};white-space:pre-wrap">{escape(text)}</code>'


def _pre(text: str) -> str:
    """Output, in the letters of a terminal; not more of it than anyone reads."""
    shown = text if len(text) <= _MOST_TEXT else f"{text[:_MOST_TEXT]}…"
    style = f"font-family:{_FIXED};white-space:pre-wrap;overflow-wrap:anywhere;margin:.3em 0"
    return f'<pre style="{style}">{escape(shown)}</pre>'


def _cut(title: str) -> str:
    """What there is room for in a timeline."""
    return title if len(title) <= _MOST_TITLE else f"{title[: _MOST_TITLE - 1].rstrip()}…"


def _words(command: Command | None) -> str:
    if command is None:
        return "the image's own"
    return command if isinstance(command, str) else " ".join(os.fspath(word) for word in command)


def _calls(calls: Iterable[object]) -> str:
    return "\n".join(str(getattr(call, "call", call)) for call in calls)


def _table(head: tuple[str, ...] | None, rows: Iterable[tuple[str, ...]]) -> str:
    """A table of cells that are HTML already."""
    first = (
        ""
        if head is None
        else "<tr>"
        + "".join(f'<th style="{_CELL}">{escape(title)}</th>' for title in head)
        + "</tr>"
    )
    body = "".join(
        "<tr>" + "".join(f'<td style="{_CELL}">{cell}</td>' for cell in row) + "</tr>"
        for row in rows
    )
    return f'<table style="{_TABLE}">{first}{body}</table>'


def _card(content: str) -> str:
    return f'<div style="{_CARD}">{content}</div>'

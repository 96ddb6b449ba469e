"""The library's log in Python's `logging`."""

from __future__ import annotations

import logging
import sys
import threading
from pathlib import Path

import minidocker as md
import pytest


@pytest.fixture
def damaged(linux: md.Runtime) -> md.Runtime:
    """One container of two cannot be read."""
    linux.create("a", "true")
    linux.create("b", "true")
    spec = Path(linux.root, "containers", "a", "spec.json")
    spec.write_text("{broken")
    return linux


def test_a_container_that_is_left_out_is_told(
    damaged: md.Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    assert [each.name for each in damaged.list()] == ["b"]
    assert "container a is left out" in caplog.text
    record = caplog.records[0]
    assert record.name.startswith("minidocker.")
    assert record.levelno == logging.WARNING
    caplog.clear()
    damaged.stats()
    assert "container a is left out" in caplog.text


def test_who_listens_may_use_the_library(damaged: md.Runtime) -> None:
    """A handler that calls back, in many threads at once: nothing waits for itself."""
    heard: list[str] = []
    busy = threading.local()

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.append(record.getMessage())
            if not getattr(busy, "here", False):
                busy.here = True
                damaged.list()
                busy.here = False

    handler = Handler()
    logger = logging.getLogger("minidocker")
    logger.addHandler(handler)
    try:
        threads = [threading.Thread(target=damaged.list) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
            assert not thread.is_alive()
    finally:
        logger.removeHandler(handler)
    assert len(heard) >= 16


def test_a_handler_that_fails_does_not_fail_the_call(
    damaged: md.Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(logging.Handler):
        def handle(self, record: logging.LogRecord) -> bool:
            raise OSError("no room for the log")

    told: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda raised: told.append(raised.exc_value))
    handler = Broken()
    logger = logging.getLogger("minidocker")
    logger.addHandler(handler)
    try:
        assert [each.name for each in damaged.list()] == ["b"]
    finally:
        logger.removeHandler(handler)
    assert "no room" in str(told[0])

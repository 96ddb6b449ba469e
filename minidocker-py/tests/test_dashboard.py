"""`python -m minidocker` and the console script."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
import urllib.request
from pathlib import Path

import minidocker as md
import pytest


@pytest.mark.parametrize("script", [False, True])
def test_it_serves_the_page_and_real_containers_until_ctrl_c(root: Path, script: bool) -> None:
    command = [sys.executable, "-m", "minidocker"]
    if script:
        command = [os.path.join(sysconfig.get_path("scripts"), "minidocker")]
    server = subprocess.Popen(
        [*command, "--port", "0", "--root", str(root)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        url = server.stdout.readline().split()[3]
        page = urllib.request.urlopen(f"{url}/").read().decode()
        assert "<script" in page
        with md.Runtime(root) as runtime:
            runtime.create("seen", "sh -c 'echo hi; sleep 60'")
        headers = {"Content-Type": "application/json"}
        start = urllib.request.Request(f"{url}/api/containers/seen/start", b"", headers)
        urllib.request.urlopen(start).read()
        listed = json.load(urllib.request.urlopen(f"{url}/api/containers"))
        assert "seen" in json.dumps(listed)
        begun = time.monotonic()
        server.send_signal(signal.SIGINT)
        assert server.wait(timeout=30) == 0
        assert time.monotonic() - begun < 10
        with md.Runtime(root) as runtime:
            assert runtime.get("seen").status == "running"
            runtime.get("seen").delete(force=True)
    finally:
        server.kill()
        server.communicate()


def test_help_and_mistakes_are_told_without_a_traceback(root: Path) -> None:
    def ask(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "minidocker", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert "--port" in ask("--help").stdout
    assert ask("--version").stdout.strip() == md.__version__
    refused = ask("--host", "nowhere", "--root", str(root))
    assert refused.returncode == 1
    assert refused.stderr.strip() == 'minidocker: "nowhere" is no address'
    for port in ("99999", "-1", "http", "1e3"):
        refused = ask("--port", port, "--root", str(root))
        assert refused.returncode == 2
        assert "is not a port" in refused.stderr
        assert "Traceback" not in refused.stderr
    assert not root.exists()
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused = ask("--port", port, "--root", str(root))
    assert refused.returncode == 1
    assert f"port {port} on 127.0.0.1 is taken" in refused.stderr
    assert "minidocker --port" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert shutil.which("minidocker", path=sysconfig.get_path("scripts"))


def test_a_server_for_other_machines_prints_a_link_that_leads_to_it(root: Path) -> None:
    command = [sys.executable, "-m", "minidocker", "--host", "0.0.0.0", "--port", "0"]
    server = subprocess.Popen([*command, "--root", str(root)], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        lines = [server.stdout.readline() for _ in range(3)]
        assert "0.0.0.0" not in "".join(lines)
        link = lines[-1].split()[-1]
        assert "/login?token=" in link
        cookies = urllib.request.HTTPCookieProcessor()
        opened = urllib.request.build_opener(cookies).open(link)
        assert opened.status == 200
        assert b"<script" in opened.read()
    finally:
        server.kill()
        server.communicate()

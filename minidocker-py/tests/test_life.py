"""The life of a container that stays."""

from __future__ import annotations

import pickle
import signal
from pathlib import Path

import minidocker as md
import pytest


def test_a_whole_life(runtime: md.Runtime) -> None:
    container = runtime.create("web", "sleep 60", memory="64m", env={"A": "b"})
    states = [container.status]
    assert container.start() is container
    states.append(container.status)
    container.pause()
    states.append(container.status)
    assert states == ["created", md.Status.RUNNING, "paused"]
    assert [state.is_alive for state in states] == [False, True, True]
    container.resume()
    container.restart(timeout=0)
    info = container.inspect()
    assert (info.name, info.status, info.starts) == ("web", md.Status.RUNNING, 2)
    assert (info.spec.memory_mb, dict(info.spec.env)) == (64, {"A": "b"})
    assert info.created_at <= (info.started_at or info.created_at)
    assert info.created_at.tzinfo is not None
    container.stop(0)
    exit = container.wait()
    assert (exit.exit_code, exit.signal, exit.ok) == (137, 9, False)
    assert "web" in runtime
    container.delete()
    assert "web" not in runtime
    with pytest.raises(md.ContainerNotFound):
        container.inspect()
    assert "deleted" in repr(container)


def test_a_signal_by_name_reaches_the_command(runtime: md.Runtime) -> None:
    with runtime.create(None, "sleep 60") as container:
        container.start().kill("term")
        assert container.wait(timeout=10).signal == signal.SIGTERM
        with pytest.raises(ValueError, match="no signal"):
            container.kill("SIGNOTHING")
    with runtime.create(None, "sleep 60") as container:
        container.start().kill("SIGRTMIN+3")
        assert container.wait(timeout=10).signal == 37


def test_leaving_the_block_removes_unless_detached(runtime: md.Runtime) -> None:
    with runtime.create("gone", "sleep 60") as container:
        container.start()
    with runtime.create("stays", "sleep 60") as container:
        container.start().detach()
    with pytest.raises(md.WrongState), runtime.create("failed", "sleep 60") as container:
        container.start().start()
    with runtime.create("deleted", "true") as container:
        container.delete()
    assert [(each.name, each.status) for each in runtime] == [("stays", "running")]


def test_waiting_has_a_limit(runtime: md.Runtime) -> None:
    with runtime.create(None, "sleep 60") as container:
        with pytest.raises(md.WrongState, match="Start it first"):
            container.wait()
        container.start()
        with pytest.raises(TimeoutError):
            container.wait(timeout=0.2)
        with pytest.raises(md.TimeoutError):
            container.wait(timeout=0)
        with pytest.raises(ValueError, match="no time"):
            container.wait(timeout=-1)
    with runtime.create(None, "true") as container:
        assert container.start().wait(timeout=float("inf")).ok


def test_a_restart_policy_starts_it_again(runtime: md.Runtime) -> None:
    with runtime.create(None, "false", restart="on-failure:2") as container:
        assert container.start().wait(timeout=30).exit_code == 1
        assert container.inspect().restarts == 2


def test_a_health_check_finds_it_healthy(runtime: md.Runtime) -> None:
    check = md.HealthCheck("true", interval=0.05)
    with runtime.create(None, "sleep 60", health_check=check) as container:
        container.start().wait_healthy(timeout=30)
        health = container.inspect().health
        assert health is not None
        assert health.status is md.Health.HEALTHY
        assert health.probes[0].exit_code == 0
        assert container.inspect().spec.health_check == check
    with runtime.create(None, "sleep 60") as container, pytest.raises(ValueError, match="health"):
        container.start().wait_healthy(timeout=5)


def test_templates_make_containers(runtime: md.Runtime) -> None:
    assert all(template.builtin for template in runtime.templates())
    template = runtime.template("python-web-server")
    with runtime.create_from(template, "server", memory_mb=200, env={"X": "y"}) as server:
        spec = server.inspect().spec
        assert (spec.name, spec.memory_mb, dict(spec.env)) == ("server", 200, {"X": "y"})
        assert spec.command == template.spec.command
        saved = runtime.save_template("mine", spec, title="Mine", description="for a test")
    assert (saved.title, saved.spec.memory_mb, saved.builtin) == ("Mine", 200, False)
    with pytest.raises(md.InvalidSpec, match="exists already"):
        runtime.save_template("mine", spec)
    assert runtime.save_template("mine", spec, replace=True).title == "mine"
    runtime.delete_template("mine")
    with pytest.raises(md.TemplateNotFound):
        runtime.template("mine")


def test_a_configuration_goes_from_one_root_to_another(runtime: md.Runtime, tmp_path: Path) -> None:
    with runtime.create("one", "echo hi", memory_mb=64, restart="always") as container:
        exported = container.export()
    assert (exported["command"], exported["mem_limit_mb"]) == ("echo hi", 64)
    with runtime.import_(exported, "two") as again:
        assert again.inspect().spec.restart == "always"
    with pytest.raises(md.BadArchive, match="command"):
        runtime.import_({"name": "three"})
    with pytest.raises(ValueError, match="JSON"):
        runtime.import_("not JSON")


def test_the_plan_comes_before_and_the_trace_after(runtime: md.Runtime) -> None:
    with runtime.create(None, "true", memory_mb=64) as container:
        plan = container.plan()
        assert container.trace() is None
        container.start().wait()
        trace = container.trace()
    assert trace is not None
    assert [step.id for step in plan] == [step.id for step in trace.steps]
    assert all(step.title and step.why and step.syscalls and step.manual for step in plan)
    assert {step.outcome for step in trace.steps} == {md.Outcome.DONE}
    assert trace.micros > 0
    assert "memory" in str(plan)
    assert "memory" in str(trace)


def test_disk_use_and_pruning(runtime: md.Runtime) -> None:
    runtime.create("old", "true")
    usage = runtime.disk_usage()
    assert [container.name for container in usage.containers] == ["old"]
    assert usage.reclaimable_bytes == usage.containers[0].total_bytes > 0
    assert runtime.get("old").disk_usage().records_bytes > 0
    pruned = runtime.prune()
    assert (pruned.containers, pruned.failed) == (("old",), ())
    assert runtime.recover() == []
    assert runtime.revive() == []


def test_the_backend_says_what_it_is(runtime: md.Runtime, root: Path) -> None:
    assert runtime.backend.kind in (md.Backend.LINUX, md.Backend.SIMULATION)
    assert runtime.root == str(root)
    support = {capability.feature: capability.support for capability in runtime.capabilities()}
    real = runtime.backend.kind is md.Backend.LINUX
    assert support["exec"] is (md.Support.FULL if real else md.Support.NONE)
    with runtime.create(None, "true"), pytest.raises(md.InvalidSpec, match="belong"):
        md.Runtime(root, backend="simulation" if real else "linux")


def test_what_a_simulation_cannot_do_is_refused_with_the_reason(simulation: md.Runtime) -> None:
    with simulation.create(None, "sleep 60") as container:
        container.start()
        with pytest.raises(md.Unsupported, match="Linux") as caught:
            container.exec("true")
        assert caught.value.backend == "simulation"
        assert isinstance(caught.value, NotImplementedError)


def test_a_closed_runtime_says_so(linux: md.Runtime) -> None:
    container = linux.create(None, "sleep 60").start()
    linux.close()
    with pytest.raises(ValueError, match="closed"):
        linux.list()
    assert container.status == "running"


def test_the_doctor_examines_this_machine(linux: md.Runtime) -> None:
    found = md.doctor(linux)
    assert found.backend.kind is md.Backend.LINUX
    assert {limit.limit: limit.enforced for limit in found.limits} == {
        "memory": True,
        "cpu": True,
        "pids": True,
    }
    assert found.ok
    assert "Limits" in str(found)
    assert found.machine["cores"] >= 1


def test_records_are_frozen_and_can_be_sent_between_processes(linux: md.Runtime) -> None:
    with linux.create(None, "true") as container:
        info = container.inspect()
        plan = container.plan()
        stats = container.stats()
    with pytest.raises(AttributeError):
        info.name = "other"  # type: ignore[misc]
    assert pickle.loads(pickle.dumps((info, plan, stats))) == (info, plan, stats)

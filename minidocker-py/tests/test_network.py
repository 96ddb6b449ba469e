"""Networks, names and published ports."""

from __future__ import annotations

import socket
import urllib.request

import minidocker as md
import pytest
from minidocker._spec import spec_json

SERVER = "python -m http.server 8000 --bind 0.0.0.0"


def _wait_listening(container: md.Container) -> None:
    """Until the server in it says that it serves."""
    for line in container.logs(follow=True):
        if "Serving" in line:
            return
    raise AssertionError(container.logs())


def test_a_published_port_is_the_page_of_the_server(runtime: md.Runtime) -> None:
    # In a simulation the program listens at the host's own port.
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with runtime.create("web", f"python -m http.server {port}", ports={port: port}) as web:
        assert web.inspect().network.ports == ()
        web.start()
        _wait_listening(web)
        (published,) = web.inspect().network.ports
        assert published == md.PublishedPort("127.0.0.1", port, port, md.Protocol.TCP)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=20) as answer:
            assert answer.status == 200
        assert web.stats().network_info.ports == (published,)


def test_a_free_port_is_chosen_and_told(linux: md.Runtime) -> None:
    with linux.create("web", SERVER, ports=[8000]) as web:
        (published,) = web.start().inspect().network.ports
        assert published.host_port != 0
        assert str(published) == f"127.0.0.1:{published.host_port}->8000/tcp"


def test_a_taken_port_is_named_before_anything_is_made(linux: md.Runtime) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        web = linux.create("web", SERVER, ports={8000: port})
        with pytest.raises(md.StartFailed, match=str(port)):
            web.start()


def test_an_address_is_told_and_reached(linux: md.Runtime) -> None:
    with linux.create("web", SERVER) as web:
        network = web.start().inspect().network
        _wait_listening(web)
        assert network.mode == "bridge"
        assert network.networks[0].name == "bridge"
        with urllib.request.urlopen(f"http://{network.ip_address}:8000/", timeout=20) as answer:
            assert answer.status == 200
        assert network.ip_address is not None
        assert network.ip_address in web._repr_html_()
        traffic = web.stats().network
        assert traffic is not None
        assert traffic.rx_bytes > 0


def test_those_on_a_network_find_each_other_by_name(linux: md.Runtime) -> None:
    made = linux.create_network("backend", subnet="10.123.45.0/24")
    assert (made.subnet, made.bridge, made.containers) == ("10.123.45.0/24", None, ())
    with linux.create("db", "sleep 60", network="backend", aliases=["store"]) as db:
        address = db.start().inspect().network.ip_address
        found = linux.create("client", ["getent", "hosts", "store"], network="backend")
        with found as client:
            assert client.start().wait().ok
            assert client.logs().text.split()[0] == address
        (member,) = linux.network("backend").containers
        assert member == md.NetworkMember(("db", "store"), db.id, str(address))
        with pytest.raises(md.NetworkInUse) as refused:
            linux.delete_network("backend")
        assert refused.value.containers == ("db",)
        with pytest.raises(md.NetworkExists):
            linux.create_network("backend")
    linux.delete_network("backend")
    assert [network.name for network in linux.networks()] == ["bridge"]
    with pytest.raises(md.NetworkNotFound):
        linux.network("backend")
    with pytest.raises(md.NetworkNotFound):
        linux.create("db", "true", network="backend")


def test_without_a_network_there_is_nobody(linux: md.Runtime) -> None:
    with linux.create("alone", "cat /proc/net/dev", network="none") as alone:
        assert alone.start().wait().ok
        assert alone.inspect().network.mode == "none"
        assert "eth0" not in alone.logs().text


def test_a_simulation_says_that_it_has_no_networks(simulation: md.Runtime) -> None:
    with pytest.raises(md.Unsupported):
        simulation.create_network("backend")


def test_one_text_is_not_taken_for_its_letters() -> None:
    for field in ("ports", "aliases", "dns", "volumes"):
        with pytest.raises(md.InvalidSpec, match=field):
            spec_json("a", "true", **{field: "8080"})
    with pytest.raises(md.InvalidSpec, match="ports"):
        spec_json("a", "true", ports=8080)
    assert spec_json("a", "true", ports=[80, "53:53/udp"])["ports"] == ["80", "53:53/udp"]

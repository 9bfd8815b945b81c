"""Who may name files: a browser on this machine, with nothing between, unless a group is served."""

from __future__ import annotations

import tomllib
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import SimpleNamespace

import pytest
import streamlit as st

from pruneattr_core.ui import machine
from pruneattr_core.ui.errors import without_folders

PROXIES = (
    "Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port", "Via",
    "X-Real-IP", "CF-Connecting-IP", "CF-Ray", "True-Client-IP", "X-Client-IP", "X-Cluster-Client-IP",
    "Fastly-Client-IP", "Fly-Client-IP", "X-Original-Forwarded-For", "X-Envoy-External-Address",
    "X-Azure-ClientIP", "X-Appengine-User-Ip", "Client-IP", "WL-Proxy-Client-IP", "X-ProxyUser-Ip",
)  # fmt: skip


def asked(monkeypatch: pytest.MonkeyPatch, address: str | None = None, **headers: str) -> bool:
    context = SimpleNamespace(headers={"Host": "localhost:8501", **headers}, ip_address=address)
    monkeypatch.setattr(st, "context", context)
    return machine.browser_here()


@pytest.mark.parametrize("name", PROXIES)
def test_every_proxy_header_refuses(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.delenv(machine.GROUP, raising=False)
    assert asked(monkeypatch, **{"User-Agent": "Mozilla", "Accept-Language": "en", "Sec-Fetch-Mode": "x"})
    for written in (name, name.lower()):
        assert not asked(monkeypatch, **{written: ""})  # its being there says enough


def test_names_addresses_and_the_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(machine.GROUP, raising=False)
    assert not asked(monkeypatch, Host="prune.example.org")
    assert not asked(monkeypatch, "192.168.1.7")
    assert asked(monkeypatch, "::ffff:127.0.0.1")
    monkeypatch.setenv(machine.GROUP, "1")
    assert not asked(monkeypatch)


def test_the_shipped_settings_serve_this_machine_alone() -> None:
    file = Path(__file__).parents[2] / ".streamlit" / "config.toml"
    server = tomllib.loads(file.read_text("utf-8"))["server"]
    assert server["address"] == "localhost"
    assert set(server["allowedHosts"]) == {"localhost", "127.0.0.1", "::1"}


def test_who_is_elsewhere_reads_no_folder_of_the_server() -> None:
    said = r"The review /home/ann/.local/share/a.json and 'C:\\data\\x.pt' fail; 3/4 of /work."
    assert without_folders(said) == "The review a.json and 'x.pt' fail; 3/4 of /work."
    assert without_folders("see https://a.example/b/c") == "see https://a.example/b/c"


def test_a_group_is_served_by_names_only(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    spec = spec_from_file_location("dev", Path(__file__).parents[2] / "dev.py")
    assert spec is not None
    assert spec.loader is not None
    dev = module_from_spec(spec)
    spec.loader.exec_module(dev)
    called: list[tuple[str, ...]] = []
    monkeypatch.setattr(dev, "call", lambda *arguments: called.append(arguments) or 0)
    monkeypatch.setenv(machine.GROUP, "")
    with pytest.raises(SystemExit):
        dev.group(["--server.port=1"])
    dev.group(["prune.example.org", "--server.port=8600"])
    (arguments,) = called
    assert "--server.address=0.0.0.0" in arguments
    assert "--server.allowedHosts=prune.example.org" in arguments
    assert arguments[-1] == "--server.port=8600"
    assert machine.serves_group()
    assert "Visitors can" in capsys.readouterr().out

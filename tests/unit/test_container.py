"""What the Dockerfile and the compose file say fits together, and each step is one that is tried.

`python docs/container.py` builds the image where Docker is; tests/whole/test_package.py serves by its CMD.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
TEXT = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text("utf-8"))
STEPS = [tuple(line.split(" ", 1)) for line in TEXT.splitlines() if line and not line.startswith("#")]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))


def said(kind: str) -> list[str]:
    return [rest.strip() for one, rest in STEPS if one == kind]


def variables() -> dict[str, str]:
    return dict(word.split("=", 1) for line in said("ENV") for word in shlex.split(line))


def ignored(name: str) -> bool:
    """Whether `COPY .` leaves a file out."""
    lines = (ROOT / ".dockerignore").read_text("utf-8").split()
    parts = [name, *map(str, Path(name).parents)]
    return any(fnmatch(part, line.removeprefix("**/").rstrip("/")) for line in lines for part in parts)


def test_the_base_is_a_python_that_the_package_takes() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    (base,) = said("FROM")
    found = re.fullmatch(r"python:3\.(\d+)-slim", base)
    assert found
    assert f"Programming Language :: Python :: 3.{found[1]}" in project["classifiers"]
    asked = [words for line in said("RUN") for words in map(shlex.split, line.split("&&"))]
    assert {words[0] for words in asked} == {
        "pip",
        "rm",
        "useradd",
        "mkdir",
    }  # others would be tried by nobody
    (install,) = [words for words in asked if words[0] == "pip"]
    extras = re.fullmatch(r"/source\[(\w+)\]", install[-1])
    assert extras
    assert extras[1] in project["optional-dependencies"]
    (options,) = [words[1:-1] for words in asked if words[0] == "pip"]
    assert options == ["install", "--extra-index-url", "$WHEELS"]


def test_what_is_copied_is_what_a_wheel_is_made_of() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    files = listed.splitlines()
    needed = ("pruneattr_core/", "assets/", "pages/", ".streamlit/")
    single = ("app.py", "pyproject.toml", "README.md", "LICENSE")
    wanted = [name for name in files if name.startswith(needed) or name in single]
    assert len(wanted) > 300
    assert [name for name in wanted if ignored(name)] == []
    assert ignored(".git/HEAD")
    assert ignored(".venv/bin/python")


def test_the_visitor_owns_the_place_that_the_volume_keeps() -> None:
    order = [kind for kind, _ in STEPS]
    assert order.index("USER") < order.index("WORKDIR") < order.index("VOLUME")
    (home,), (volume,), (user,) = said("WORKDIR"), said("VOLUME"), said("USER")
    assert volume == f"{home}/data"  # made by that user with `mkdir data`, else root would own it
    assert "mkdir data" in said("RUN")
    assert any(re.search(rf"useradd --create-home --uid \d+ {user}$", line) for line in said("RUN"))
    kept = {name: value for name, value in variables().items() if name.endswith(("_HOME", "HOME"))}
    assert kept.pop("HOME") == home
    assert all(value.startswith(f"{volume}/") for value in kept.values())
    assert set(kept) == {"XDG_CACHE_HOME", "XDG_DATA_HOME", "TORCH_HOME", "HF_HOME"}


def test_the_health_of_what_is_served_is_asked_at_its_port() -> None:
    (port,) = said("EXPOSE")
    (check,) = said("HEALTHCHECK")
    (command,) = said("CMD")
    asked = json.loads(check.partition("CMD ")[2])
    compile(asked[-1], "health", "exec")
    assert f"http://127.0.0.1:{port}/_stcore/health" in asked[-1]
    assert f"--server.port={port}" in json.loads(command)[-1]
    assert subprocess.run(["sh", "-n", "-c", json.loads(command)[-1]], check=False).returncode == 0


def test_the_services_of_compose_are_the_image_s() -> None:
    assert set(COMPOSE) == {"services", "volumes"}
    plain, gpu = COMPOSE["services"]["pruneattr"], COMPOSE["services"]["gpu"]
    (argument,), (port,), (place,) = said("ARG"), said("EXPOSE"), said("VOLUME")
    name, _, wheels = argument.partition("=")
    assert wheels.endswith("/cpu")
    assert plain["build"] == "."  # the argument's own value: wheels for a processor
    assert gpu["build"] == {"context": ".", "args": {name: "https://pypi.org/simple"}}
    (device,) = gpu["deploy"]["resources"]["reservations"]["devices"]
    assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])
    assert gpu["profiles"] == ["gpu"]  # so `docker compose up` starts one service
    for service in (plain, gpu):
        assert service["ports"] == [f"{port}:{port}"]
        assert set(service["environment"]) <= set(variables())
        (volume,) = service["volumes"]
        held, _, inside = volume.partition(":")
        assert inside == place
        assert held in COMPOSE["volumes"]

"""Packages imported in functions: threads that are first together do not break them for each other."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CORE = ROOT / "pruneattr_core"
LOCK = "one_at_a_time"

#: A thread that draws stands in matplotlib's first import until another is at the door that Captum takes.
RACE = """
import sys, threading
from contextlib import nullcontext
from importlib.machinery import PathFinder

import torch
from pruneattr_core import importing

if sys.argv[1] == "unguarded":
    importing.one_at_a_time = nullcontext()
from pruneattr_core.attribution.captum_methods import saliency
from pruneattr_core.render.colours import colour_table

assert "matplotlib" not in sys.modules and "captum" not in sys.modules
inside, door, failed = threading.Event(), threading.Event(), []


class Slow:
    def find_spec(self, name, path=None, target=None):
        drawing = threading.current_thread().name == "drawing"
        if name == "matplotlib.colors" and not drawing:
            door.set()
        if name != "matplotlib._api" or not drawing:
            return None
        spec = PathFinder.find_spec(name, path, target)
        load = spec.loader.exec_module
        spec.loader.exec_module = lambda module: (inside.set(), door.wait(float(sys.argv[2])), load(module))
        return spec  # paused here and not in this function, which holds the lock of all finders


def draw():
    colour_table("inferno")


def explain():
    inside.wait()
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2))
    saliency(network, torch.ones(1, 1, 2, 2), torch.tensor([1]), False)


def noted(work):
    try:
        work()
    except Exception as error:
        failed.append(f"{type(error).__name__}: {error}")


sys.meta_path.insert(0, Slow())
threads = [
    threading.Thread(target=noted, args=(work,), name=name)
    for work, name in ((draw, "drawing"), (explain, "explaining"))
]
for one in threads:
    one.start()
for one in threads:
    one.join()
print(len(failed), *failed)
"""
#: All modules of ours, imported while nobody may hold the lock.
OURS = f"""
import pkgutil, sys
import pruneattr_core
from pruneattr_core import importing


class Refusing:
    def __enter__(self):
        raise AssertionError("a module of ours imports a package by the lock while it is imported itself")

    def __exit__(self, *_):
        pass


importing.{LOCK} = Refusing()
for one in pkgutil.walk_packages(pruneattr_core.__path__, "pruneattr_core."):
    if not one.name.endswith("__main__"):
        __import__(one.name)
print(len(sys.modules) > 100)
"""


def run(code: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_two_threads_that_are_first_at_matplotlib_and_captum() -> None:
    assert run(RACE, "guarded", "5") == "0"  # seconds in which nobody comes to the door


def test_the_race_is_one() -> None:
    """Who is at the door may lose its turn before it is inside: on a busy machine not every try is one."""
    for _ in range(5):
        said = run(RACE, "unguarded", "240")
        if int(said[0]) > 0:
            break
    assert int(said[0]) > 0
    assert "matplotlib" in said


def test_no_module_of_ours_needs_the_lock_while_it_is_imported() -> None:
    assert run(OURS) == "True"


def bare(tree: ast.AST, held: bool = False, inside: bool = False) -> Iterator[ast.stmt]:
    """Imports of other people's packages in functions, outside `with one_at_a_time`."""
    for node in ast.iter_child_nodes(tree):
        here = inside or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        locked = held or (
            isinstance(node, ast.With) and any(ast.unparse(one.context_expr) == LOCK for one in node.items)
        )
        names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module]
        packages = {name.partition(".")[0] for name in names} - sys.stdlib_module_names - {"pruneattr_core"}
        if inside and packages and not held:
            assert isinstance(node, ast.stmt)
            yield node
        yield from bare(node, locked, here)


@pytest.mark.parametrize("file", sorted(CORE.rglob("*.py")), ids=lambda file: str(file.relative_to(CORE)))
def test_packages_are_imported_by_one_thread_at_a_time(file: Path) -> None:
    assert [ast.unparse(one) for one in bare(ast.parse(file.read_text("utf-8")))] == []


def test_a_bare_import_is_seen() -> None:
    code = "def f():\n    if True:\n        import captum\n    with one_at_a_time:\n        import timm\n"
    assert [ast.unparse(one) for one in bare(ast.parse(code))] == ["import captum"]


def test_a_first_map_does_not_wait_for_algebra_that_it_does_not_need() -> None:
    """PyTorch imports sympy, half a second of a core, to check a gradient that it is given to start from."""
    code = (
        "import sys, torch; from pruneattr_core import PruneGrad\n"
        "net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3)).eval()\n"
        "PruneGrad(net).attribute(torch.ones(1, 4)); sys.exit('sympy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

"""Set up and run: `app` serves the app to this machine, `group` to others, `test` runs every check.

Needs only Python 3.11 or newer with venv. Packages go to .venv beside this file; they are installed again
only when a requirements file or the Python version changed. Further arguments reach Streamlit or pytest.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

#: command -> requirements files
REQUIREMENTS = {
    "app": ("requirements.txt",),
    "group": ("requirements.txt",),
    "test": ("requirements.txt", "requirements-dev.txt"),
}

VISITORS = """Serving everybody who can reach this machine as {hosts}. There is no login.
Visitors can: run every computation of the app on this machine; upload pictures and weights up to 32 MB, which
  stay in their session's memory; see the pictures, models and runs in assets and in the data folders; begin
  reviews, which are written to this machine's disk, and open those whose link they have; lead a class through
  a lesson, and join one by its code.
Visitors cannot: name a file or folder of this machine, see one another's uploads, list reviews, run pickles.
Put TLS and a login in front of it where strangers can reach it: see SECURITY.md."""

CHECKS = (
    ("ruff", "check", "."),
    ("ruff", "format", "--check", "."),
)
# A minute of one core, with the other idle, were it not beside the tests; told when those have ended.
TYPES = ("mypy",)
# Who is done takes tests of the other. Not loadgroup: with it runs stood still at their end.
# What is run again, see tests/browser/conftest.py, is shown with why it failed: at most four a worker.
PYTEST = ("pytest", "--dist", "worksteal", "--rerun-show-tracebacks", "--max-suite-reruns", "4")
# On two cores: what needs no browser waits for processes at times, so three workers share it, the longest
# tests first; two, each with a server and a browser of its own, leave nothing idle.
ALL = (("-n", "3", "tests/whole", "tests/unit", "tests/app"), ("-n", "2", "tests/browser"))
NAMED = (("-n", "2"),)
#: Exit status of pytest where no test was chosen.
NONE_CHOSEN = 5
# Known weaknesses of the versions that requirements.lock names, asked of the package registry.
AUDIT = (
    "pip_audit",
    "-r",
    "requirements.lock",
    "--no-deps",
    "--disable-pip",
    "--format=json",
    "--timeout=10",
)
#: Seconds after which the registry counts as not answering.
AUDIT_PATIENCE = 300


def call(*arguments: str) -> int:
    """Run a module of the environment in the repository; its exit status."""
    return subprocess.call([str(PYTHON), "-m", *arguments], cwd=ROOT)


def begun(*arguments: str, stderr: int) -> subprocess.Popen[str]:
    """A module of the environment at work in the repository; what it prints can be read when it has ended."""
    return subprocess.Popen(
        [str(PYTHON), "-m", *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=stderr, text=True
    )


def serves(python: Path) -> bool:
    """Whether this Python runs, is new enough and has pip."""
    asked = [str(python), "-c", "import sys, pip; sys.exit(sys.version_info < (3, 11))"]
    return not subprocess.call(asked, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def install(names: tuple[str, ...]) -> None:
    """Make the environment hold these requirements files; leave when that fails."""
    made_with = VENV / "made-with.txt"  # written when the environment is complete
    ours = made_with.is_file()
    # One that somebody made himself is not ours to clear: it gets what it lacks.
    if not PYTHON.exists() or not (made_with.read_text() == sys.version if ours else serves(PYTHON)):
        print(f"Making a virtual environment in {VENV}", flush=True)
        if subprocess.call([sys.executable, "-m", "venv", "--clear", str(VENV)]):
            sys.exit("Python's venv did not work. On Debian and Ubuntu: apt install python3-venv")
        made_with.write_text(sys.version)

    stamps = {VENV / f"{name}.sha256": sha256((ROOT / name).read_bytes()).hexdigest() for name in names}
    if all(stamp.is_file() and stamp.read_text() == value for stamp, value in stamps.items()):
        return
    print("Installing packages; the first time this takes some minutes", flush=True)
    wanted = [argument for name in names for argument in ("-r", name)]
    # Python compiles what is imported when it is: compiling everything took a third of the time.
    if call("pip", "install", "--quiet", "--no-compile", "--disable-pip-version-check", *wanted):
        sys.exit("pip could not install the requirements; its message is above")
    for stamp, value in stamps.items():
        stamp.write_text(value)


def group(arguments: list[str]) -> int:
    """Serve everybody who reaches this machine by one of the names given; say first what that means."""
    hosts = [text for text in arguments if not text.startswith("-")]
    if not hosts or arguments[: len(hosts)] != hosts:
        sys.exit(
            "Say by which names visitors reach this machine, then any options of Streamlit:\n"
            "  python3 dev.py group prune.example.org 192.168.1.20 [--server.port=8600]"
        )
    print(VISITORS.format(hosts=", ".join(hosts)), flush=True)
    named = [f"--server.allowedHosts={host}" for host in (*hosts, "localhost", "127.0.0.1")]
    os.environ["PRUNEATTR_GROUP"] = "1"
    return call("streamlit", "run", "app.py", "--server.address=0.0.0.0", *named, *arguments[len(hosts) :])


def weaknesses(told: str) -> tuple[list[str], str]:
    """What pip-audit found in packages that have a mended version, and a sentence on how much it could ask.

    Args:
        told: what it printed; anything but its JSON means that the registry did not answer.
    """
    try:
        packages = json.loads(told)["dependencies"]
        asked = [one for one in packages if "vulns" in one]
        found = [
            f"{one['name']} {one['version']}: {known['id']}, mended in {', '.join(known['fix_versions'])}"
            for one in asked
            for known in one["vulns"]
            if known["fix_versions"]
        ]
    except (ValueError, LookupError, TypeError):
        return [], "pip-audit: skipped, the package registry does not answer from here."
    if not asked:
        return [], "pip-audit: skipped, the package registry knows no advisories of these packages from here."
    return found, f"pip-audit: {len(asked)} of {len(packages)} packages audited, {len(found)} to be updated."


def test(arguments: list[str]) -> int:
    """Lint, then unit, app and browser tests, whatever fails; beside them types, and the audit."""
    audit, types = begun(*AUDIT, stderr=subprocess.DEVNULL), begun(*TYPES, stderr=subprocess.STDOUT)
    failed = [" ".join(check) for check in CHECKS if call(*check)]
    named = any((ROOT / one.partition("::")[0]).exists() for one in arguments if one[:1] != "-")
    ended = {call(*PYTEST, *part, *arguments) for part in (NAMED if named else ALL)}
    if ended == {NONE_CHOSEN} or ended - {0, NONE_CHOSEN}:
        failed.append("pytest")
    print(types.communicate()[0], end="", flush=True)
    if types.returncode:
        failed.append(" ".join(TYPES))
    try:
        told, _ = audit.communicate(timeout=AUDIT_PATIENCE)
    except subprocess.TimeoutExpired:
        audit.kill()
        told = ""
    found, said = weaknesses(told)
    print("\n".join([said, *found]), flush=True)
    if found:
        failed.append("pip-audit: make requirements.lock again, see CONTRIBUTING.md")
    if failed:
        print(f"FAILED: {', '.join(failed)}", file=sys.stderr)
    return bool(failed)


def main(arguments: list[str]) -> int:
    """Run `app`, `group` or `test`."""
    if sys.version_info < (3, 11):  # noqa: UP036  (this file also meets older Pythons)
        sys.exit(f"PruneAttr needs Python 3.11 or newer; this is {sys.version.split()[0]}")
    if not arguments or arguments[0] not in REQUIREMENTS:
        sys.exit(f"Usage: python3 dev.py {'|'.join(REQUIREMENTS)} [further arguments]")
    command, *rest = arguments
    # Packages lie there uncompiled: each process would compile torch again, for ten seconds.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    install(REQUIREMENTS[command])
    try:
        if command == "test":
            return test(rest)
        os.environ.setdefault("MALLOC_ARENA_MAX", "1")  # a server's one heap, see pruneattr_core/heap.py
        return call("streamlit", "run", "app.py", *rest) if command == "app" else group(rest)
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

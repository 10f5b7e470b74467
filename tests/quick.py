"""``just quick``: run the tests of what differs from the main branch, or every fast test.

A module's tests stand where the module stands: runtime/mlserver_forest/formats/csv/header.py is
tested by tests/formats/csv/test_header.py, or else by the nearest folder above it. Tests that start
servers, containers or browsers are left to the whole suite unless they changed themselves.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = Path("runtime/mlserver_forest")
ALWAYS = Path("tests/test_architecture.py")
# Rooms whose tests run in one process each, without servers.
FAST = ("schema", "formats", "engine", "insight", "artifact", "model", "reports")


def changed_files():
    """Files that differ from where this branch left main, and files that git does not know yet."""
    base = _git("merge-base", "HEAD", "main") or "HEAD"
    listed = _git("diff", "--name-only", base) + "\n" + _git("ls-files", "-o", "--exclude-standard")
    return [Path(name) for name in listed.split("\n") if name]


def tests_of(path):
    """The test file or folder of a changed file, or None."""
    if path.parts[0] == "tests":
        is_test = path.name.startswith("test_") and path.suffix == ".py" and (ROOT / path).exists()
        return path if is_test and path.parts[1] not in {"container", "browser"} else None
    if not path.is_relative_to(PACKAGE) or path.suffix != ".py":
        return None
    inside = path.relative_to(PACKAGE)
    own = Path("tests") / inside.parent / f"test_{inside.stem}.py"
    if (ROOT / own).exists():
        return own
    room = Path("tests") / inside.parent
    while not (ROOT / room).exists():
        room = room.parent
    return None if room == Path("tests") else room


def main(scope):
    if scope == "all":
        wanted = [Path("tests") / room for room in FAST]
    else:
        wanted = sorted({tests_of(path) for path in changed_files()} - {None})
    chosen = [str(path) for path in wanted if (ROOT / path).exists()]
    command = [sys.executable, "-m", "pytest", "-q", str(ALWAYS), *chosen]
    print(*command[1:], flush=True)
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def _git(*arguments):
    done = subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

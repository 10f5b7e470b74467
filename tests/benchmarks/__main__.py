"""``python -m tests.benchmarks NAME``: ourselves and our peers in the same run."""

import importlib
import sys

NAMES = (
    "bodies",
    "engine",
    "explanations",
    "faults",
    "hosts",
    "other_runtimes",
    "pipelines",
    "reading",
    "scoring",
    "serving",
    "start",
    "training",
)
WITH_OPTIONS = (
    "bodies",
    "explanations",
    "faults",
    "other_runtimes",
    "pipelines",
    "reading",
    "scoring",
    "serving",
    "start",
    "training",
)

if __name__ == "__main__":
    name, options = sys.argv[1:2], sys.argv[2:]
    if not name or name[0] not in NAMES or (options and name[0] not in WITH_OPTIONS):
        sys.exit(f"usage: python -m tests.benchmarks {'|'.join(NAMES)} [OPTION ...]")
    main = importlib.import_module(f"tests.benchmarks.{name[0]}").main
    main(*([options] if name[0] in WITH_OPTIONS else []))

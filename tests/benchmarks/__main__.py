"""``python -m tests.benchmarks NAME``: ourselves and our peers in the same run."""

import importlib
import sys

NAMES = ("engine", "fuzz")

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in NAMES:
        sys.exit(f"usage: python -m tests.benchmarks {'|'.join(NAMES)}")
    importlib.import_module(f"tests.benchmarks.{sys.argv[1]}").main()

"""Starts and memory beside the classic stack, which ``serving`` measures too."""

from tests.benchmarks import serving


def main(arguments):
    """The parts ``start`` and ``memory`` of ``serving``, with its options."""
    for part in ("start", "memory"):
        serving.main(["--only", part, *arguments])

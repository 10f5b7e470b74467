"""TMPDIR on a file system that is full, from the start on."""

import os
import subprocess
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path

from .mix import mixed
from .scene import add_constant_load
from .table import Row

_SIZE = "64k"
_SECONDS = 5.0


def full_disk(scene):
    row = Row("tmp")
    if os.geteuid() != 0:
        row.skipped = "only root may mount a tmpfs: run it as root, in a container for example"
        yield row
        return
    with ExitStack() as stack:
        folder = stack.enter_context(full_tmpfs())
        options = {"limits": ("-v", f"{folder}:{folder}")} if scene.launch else {}
        server = stack.enter_context(scene.serving(TMPDIR=str(folder), **options))
        row.add("TMPDIR", f"tmpfs of {_SIZE}, full")
        counts = scene.load(server, mixed(scene, large_every=100), seconds=_SECONDS).run()
        add_constant_load(row, counts)
    yield row


@contextmanager
def full_tmpfs():
    """A folder where nothing more can be written."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_SIZE}", "tmpfs", folder], check=True)
        try:
            with Path(folder, "filler").open("wb", buffering=0) as file:
                try:
                    while True:
                        file.write(bytes(1024))
                except OSError:
                    pass
            yield Path(folder)
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)

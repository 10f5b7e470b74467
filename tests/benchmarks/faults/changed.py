"""The model's file is changed in place, truncated and replaced while it is served."""

import os
import shutil
import tempfile
from pathlib import Path

from .scene import add_constant_load
from .table import Row

_SECONDS = 2.0


def changed(scene):
    for what, change in (("zeros", _zeros), ("truncated", _truncate), ("copied over", _copy_over)):
        row = Row(f"file {what}")
        with tempfile.TemporaryDirectory() as folder:
            model_dir = Path(folder, "ml", "model")
            shutil.copytree(scene.model_dir, model_dir)
            (file,) = model_dir.glob("*.safetensors")
            with scene.serving(model_dir=model_dir) as server:
                before = server.workers(scene.workers)
                change(file)
                counts = scene.steady(server, _SECONDS)
                kept = before & server.children()
        row.add("workers that died", len(before - kept), "0", kept == before)
        add_constant_load(row, counts)
        yield row


def _zeros(file):
    with file.open("r+b") as content:
        content.write(bytes(file.stat().st_size))


def _truncate(file):
    os.truncate(file, 100)


def _copy_over(file):
    file.write_bytes(b"another file altogether")

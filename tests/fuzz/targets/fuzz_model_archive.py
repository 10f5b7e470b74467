"""Archives with a model among other files, pickles, and files of every other kind."""

import gzip
import io
import pickle
import tarfile
import zipfile

import pyarrow as pa

from fuzz.target import Target, fuzz, instrumented

with instrumented():
    from fuzz.files import folder, written
    from mlserver_forest.errors import UnsupportedEstimator
    from mlserver_forest.importers.pack.model_file import find_model

_LIGHTGBM = b"tree\nversion=v4\nnum_class=1\n"
_MLMODEL = b"flavors:\n  lightgbm:\n    data: model.txt\n"
_XGBOOST = b'{"learner": {"objective": {"name": "reg:squarederror"}}}'


def samples():
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("schema.json", "{}")
    for mode in ("w", "w:gz", "w:bz2", "w:xz"):
        yield _tar(mode, {"model.txt": _LIGHTGBM, "notes.txt": b"text", "code/a.py": b"pass"})
        yield _tar(mode, {"a/b/model.json": _XGBOOST, ".hidden": _XGBOOST})
        yield _tar(mode, {"MLmodel": _MLMODEL, "model.txt": _LIGHTGBM, "b.txt": _LIGHTGBM})
    for members in ({"m.txt": _LIGHTGBM}, {"m.gz": gzip.compress(_XGBOOST), "a/data.pkl": b""}):
        yield _zip(members)
        yield gzip.compress(_zip(members))
        yield _zstd(_tar("w", members))
    yield _tar("w", {"1.pkl": pickle.dumps([1, 2]), "2.txt": _LIGHTGBM})
    yield from (_LIGHTGBM, _XGBOOST, archive.getvalue(), b"CBM1", b"binf")
    yield from (pickle.dumps({"a": 1}, protocol=2), gzip.compress(pickle.dumps([1])))


def _zip(members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def _zstd(content):
    out = pa.BufferOutputStream()
    with pa.CompressedOutputStream(out, "zstd") as stream:
        stream.write(content)
    return out.getvalue().to_pybytes()


def _tar(mode, members):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return file.getvalue()


def read(data):
    path = written("model", data)
    found = find_model(path, folder())
    assert found.path.parent == folder()
    if found.form.is_pickle:
        found.read()


TARGET = Target("model_archive", samples, read, (UnsupportedEstimator,))
TestOneInput = TARGET.TestOneInput

if __name__ == "__main__":
    fuzz(TARGET)

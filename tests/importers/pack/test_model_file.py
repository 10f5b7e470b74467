"""What `forest pack` makes of any file, archive or folder, before anything is read."""

import bz2
import gzip
import io
import json
import lzma
import os
import pickle
import tarfile
import zipfile
from pathlib import Path

import lightgbm
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import treelite
import xgboost
from skl2onnx import to_onnx
from sklearn.ensemble import RandomForestClassifier

from mlserver_forest.errors import UnsupportedEstimator
from mlserver_forest.importers.fitted_estimator import class_of
from mlserver_forest.importers.pack import containers
from mlserver_forest.importers.pack.mlflow_model import flavours_in, named_file
from mlserver_forest.importers.pack.model_file import find_model


@pytest.fixture(scope="module")
def models(iris):
    """Files of models by name."""
    x, y = iris
    codes = np.unique(y, return_inverse=True)[1]
    booster = xgboost.XGBClassifier(n_estimators=2).fit(x, codes).get_booster()
    light = lightgbm.train(
        {"objective": "multiclass", "num_class": 3, "verbosity": -1}, lightgbm.Dataset(x, codes), 2
    )
    return {
        "model.ubj": bytes(booster.save_raw("ubj")),
        "model.json": bytes(booster.save_raw("json")),
        "model.txt": light.model_to_string().encode(),
        "model.pkl": pickle.dumps(RandomForestClassifier(2).fit(x, y)),
        "model.onnx": to_onnx(
            RandomForestClassifier(2).fit(x, y), x[:1].astype(np.float32)
        ).SerializeToString(),
    }


def tar(files, mode="w"):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def zipped(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def zstd(content):
    out = pa.BufferOutputStream()
    with pa.CompressedOutputStream(out, "zstd") as stream:
        stream.write(content)
    return out.getvalue().to_pybytes()


def find(tmp_path, content, name="file"):
    (tmp_path / name).write_bytes(content)
    folder = tmp_path / "unpacked"
    folder.mkdir()
    return find_model(tmp_path / name, folder)


def refusal(tmp_path, content, name="file"):
    with pytest.raises(UnsupportedEstimator) as raised:
        find(tmp_path, content, name)
    return str(raised.value).replace(str(tmp_path), "")


@pytest.mark.parametrize(
    "name", ["model.ubj", "model.json", "model.txt", "model.pkl", "model.onnx"]
)
@pytest.mark.parametrize(
    "wrap",
    [
        lambda content: content,
        gzip.compress,
        bz2.compress,
        lzma.compress,
        zstd,
        lambda content: tar({"m": content}),
        lambda content: tar({"./m": content}, "w:gz"),
        lambda content: tar({"m": content}, "w:bz2"),
        lambda content: tar({"m": content}, "w:xz"),
        lambda content: zstd(tar({"m": content})),
        lambda content: zipped({"m": content}),
        lambda content: gzip.compress(zipped({"m": content})),
        lambda content: tar({"a/m.gz": gzip.compress(content)}, "w:gz"),
        lambda content: zipped({"m.xz": lzma.compress(content)}),
    ],
)
def test_a_model_is_found_in_any_wrapping(tmp_path, models, name, wrap):
    file = find(tmp_path, wrap(models[name]))
    if not file.form.is_pickle:  # A pickle is inflated while it is read.
        assert file.path.read_bytes() == models[name]
    estimator = file.read()
    assert class_of(estimator) in {
        "Booster",
        "RandomForestClassifier",
        "TreeEnsembleClassifier",
    }


def dumped(make, path):
    make(path)
    return path.read_bytes()


def in_memory(save, x):
    file = io.BytesIO()
    save(file, x)
    return file.getvalue()


STRANGERS = {
    "Keras HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(40), "a Keras model in HDF5; a neural network is"),
    "SavedModel": (b"\x08\x01\x12\xa3\x10\n\x8b\x0b", "a TensorFlow SavedModel; a neural network"),
    "TFLite": (b"\x1c\0\0\0TFL3\x14\0", "a TensorFlow Lite model"),
    "PMML": (
        b'<?xml version="1.0" encoding="UTF-8"?>\n<PMML xmlns="http://www.dmg.org/PMML-4_3">',
        "a PMML document; it cannot be turned back",
    ),
    "R": (gzip.compress(b"X\n\0\0\0\x03\0\x04\x03\x02"), "a file of R's saveRDS or save; write"),
    "PDF": (b"%PDF-1.7\n", "a PDF document"),
    "web page": (b"\n<!DOCTYPE html><html>", "a web page; the model was not downloaded"),
    "S3": (
        b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code>',
        "an error message of S3; the model was not downloaded",
    ),
    "LFS": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n",
        "a Git LFS pointer; run git lfs pull",
    ),
    "UTF-16": ('{"learner": {}}'.encode("utf-16"), "text in UTF-16 or UTF-32"),
    "BOM": (b'\xef\xbb\xbf{"learner": {}}', "text with a byte order mark; save it as UTF-8"),
    "Weka": (b"\xac\xed\x00\x05sr\x00", "an object of Java"),
    "legacy torch": (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M", "a PyTorch file"),
    "base64": (b"gASVnAsAAAAAAACMHnNrbGVhcm4=", "a pickle in base64; decode it"),
    "CSV": (b"a,b,c\n1,2,3\n", "text with columns, such as CSV; it holds data"),
    "code": (b"import joblib\n\n\ndef model_fn(folder):\n", "Python code; run it"),
    "notebook": (b'{\n "cells": [\n', "a Jupyter notebook; save the estimator"),
    "MLmodel": (b"artifact_path: model\nflavors:\n", "MLflow's description of a model; give the"),
    "safetensors": (b"\x40\0\0\0\0\0\0\0" + b'{"x":{"dtype":"F32"', "a safetensors file; if it"),
    "ELF": (b"\x7fELF\x02\x01\x01\0", "a compiled program or library"),
    ".keras": (
        zipped({"metadata.json": b"{}", "config.json": b"{}", "model.weights.h5": b"\x89HDF"}),
        "a Keras model; a neural network",
    ),
    "torch": (
        zipped({"archive/data.pkl": b"\x80\x02}.", "archive/version": b"3\n"}),
        "a PyTorch file; a neural network",
    ),
    "TorchScript": (
        zipped({"m/data.pkl": b"\x80\x02}.", "m/constants.pkl": b"\x80\x02)."}),
        "a TorchScript model",
    ),
    "MOJO": (zipped({"model.ini": b"[info]\n", "domains/d000.txt": b"a\n"}), "an H2O MOJO; H2O's"),
    "Excel": (zipped({"xl/workbook.xml": b"<?xml"}), "an Excel workbook; it holds data"),
    "two wrappings": (gzip.compress(gzip.compress(b"hello")), "is compressed twice; unpack it"),
    "nothing": (b"", "is empty; expected"),
}


@pytest.mark.parametrize("name", STRANGERS)
def test_a_stranger_is_named_alone_and_in_archives(tmp_path, name):
    content, expected = STRANGERS[name]
    assert expected in refusal(tmp_path, content)
    for kind, wrap in (("tar", lambda files: tar(files, "w:gz")), ("zip", zipped)):
        folder = tmp_path / kind
        folder.mkdir()
        message = refusal(folder, wrap({"a/model": content, "code/inference.py": b"import os"}))
        assert message.startswith("/file holds no model; 'a/model' is ")
        assert expected in message


def test_what_other_libraries_write_is_named(tmp_path, iris):
    x, y = iris
    codes = np.unique(y, return_inverse=True)[1]
    forest = RandomForestClassifier(3).fit(x, codes)
    booster = xgboost.train({}, xgboost.DMatrix(x, codes), 2)
    light = lightgbm.train({"verbosity": -1}, lightgbm.Dataset(x, codes), 2)
    path = tmp_path / "written"
    written = {
        "a Treelite checkpoint": dumped(
            lambda path: treelite.sklearn.import_model(forest).serialize(str(path)), path
        ),
        "a dump of XGBoost's trees": dumped(booster.dump_model, path),
        "a dump of XGBoost's trees; it lacks": dumped(
            lambda path: booster.dump_model(path, dump_format="json"), path
        ),
        "a dump of LightGBM's trees": json.dumps(light.dump_model()).encode(),
        "a NumPy array": in_memory(np.save, x),
        "NumPy arrays in a .npz file": in_memory(np.savez, x),
        "a Parquet file": dumped(lambda path: pq.write_table(pa.table({"a": [1]}), path), path),
    }
    for number, (expected, content) in enumerate(written.items()):
        (tmp_path / str(number)).mkdir()
        assert expected in refusal(tmp_path / str(number), content)


def test_awss_layouts_hold_one_model(tmp_path, models):
    """Code and data beside it are looked over; a model under code/ is an example of the code."""
    files = {
        "xgboost-model": models["model.ubj"],
        "inference.py": b"import xgboost\n",
        "requirements.txt": b"xgboost==1.3\n",
        "code/model.pkl": models["model.pkl"],
        ".hidden": models["model.txt"],
    }
    file = find(tmp_path, tar(files, "w:gz"), "model.tar.gz")
    assert file.name == f"{tmp_path}/model.tar.gz/xgboost-model"
    assert file.path.read_bytes() == models["model.ubj"]


def test_several_models_are_named(tmp_path, models):
    message = refusal(tmp_path, tar(models, "w:gz"))
    assert (
        "holds 5 models, 'model.ubj', 'model.json', 'model.txt', 'model.pkl', 'model.onnx'"
        in message
    )
    assert "unpack it, and give the file of the one that you want" in message


@pytest.mark.parametrize("pack", [lambda files: tar(files, "w:gz"), zipped])
def test_an_archive_in_an_archive_is_named(tmp_path, models, pack):
    for number, inner in enumerate((tar(models, "w:gz"), tar(models), zipped(models))):
        (tmp_path / str(number)).mkdir()
        message = refusal(tmp_path / str(number), pack({"inner": inner}))
        assert "'inner' is an archive in an archive; unpack it, and give what is in it" in message


def test_no_path_leaves_the_folder(tmp_path, models):
    """Members are written under names of our own; links are not followed."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        for name in ("../../evil", "/tmp/evil", "model"):
            info = tarfile.TarInfo(name)
            info.size = len(models["model.ubj"])
            archive.addfile(info, io.BytesIO(models["model.ubj"]))
    assert "holds 3 models" in refusal(tmp_path, out.getvalue())
    assert sorted(path.name for path in (tmp_path / "unpacked").iterdir()) == [
        "member-1",
        "member-2",
        "member-3",
    ]


def bomb(head, n_bytes):
    return head + b"0" * n_bytes


@pytest.mark.parametrize(
    "pack",
    [
        lambda content: tar({"model": content}, "w:gz"),
        lambda content: tar({"a.csv": b"a,b\n" + content, "m": b""}, "w:bz2"),
        lambda content: zipped({"model": content}),
        gzip.compress,
    ],
)
def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path, pack, monkeypatch):
    monkeypatch.setattr(containers, "FEW_BYTES", 1 << 20)
    content = pack(bomb(b"tree\n", 60 << 20))
    message = refusal(tmp_path, content)
    assert "unpacks to more than" in message
    written = sum(path.stat().st_size for path in (tmp_path / "unpacked").iterdir())
    assert written <= max(1 << 20, 200 * len(content))


def test_holes_of_a_sparse_file_are_not_filled(tmp_path):
    """One mebibyte of data may stand for a file of any size."""
    with (tmp_path / "model").open("wb") as file:
        file.write(b"tree\n")
        file.truncate(1 << 40)
    archive = tmp_path / "model.tar"
    assert os.system(f"tar -C {tmp_path} --sparse -cf {archive} model") == 0  # noqa: S605
    with pytest.raises(UnsupportedEstimator, match="holds no model; expected"):
        find_model(archive, tmp_path)


def test_an_encrypted_zip_is_named(tmp_path, models):
    content = bytearray(zipped({"model.ubj": models["model.ubj"]}))
    content[content.index(b"PK\x01\x02") + 8] |= 1
    assert "'model.ubj' is encrypted; unpack it" in refusal(tmp_path, bytes(content))


@pytest.mark.parametrize("cut", [0.2, 0.5, 0.9, 0.99])
@pytest.mark.parametrize(
    "pack",
    [
        lambda files: tar(files, "w:gz"),
        lambda files: tar(files, "w:xz"),
        zipped,
        lambda files: zstd(tar(files)),
        lambda files: gzip.compress(files["model.txt"]),
    ],
)
def test_a_truncated_archive_is_refused(tmp_path, models, pack, cut):
    whole = pack({"model.txt": models["model.txt"]})
    assert "/file" in refusal(tmp_path, whole[: int(len(whole) * cut)])


MLMODEL = """\
artifact_path: model
flavors:
  python_function:
    env:
      conda: conda.yaml
    loader_module: mlflow.{flavour}
    model_path: {file}
  {flavour}:
    code: null
    {key}: {file}
    sklearn_version: 0.24.2
mlflow_version: 2.9.2
signature:
  inputs: '[{{"name": "a"}}]'
"""


@pytest.mark.parametrize(
    ("flavour", "key", "file"),
    [
        ("sklearn", "pickled_model", "model.pkl"),
        ("xgboost", "data", "model.ubj"),
        ("lightgbm", "data", "model.txt"),
        ("onnx", "data", "model.onnx"),
    ],
)
@pytest.mark.parametrize("form", ["folder", "tar", "nested tar"])
def test_the_model_that_mlflow_names_is_taken(tmp_path, models, flavour, key, file, form):
    """The other files may be models too."""
    mlmodel = MLMODEL.format(flavour=flavour, key=key, file=file).encode()
    files = {**models, "MLmodel": mlmodel, "conda.yaml": b"name: mlflow-env\n"}
    if form == "folder":
        folder = tmp_path / "mlflow"
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_bytes(content)
        found = find_model(folder, tmp_path)
        assert found.path == folder / file
    else:
        prefix = "run/artifacts/model/" if form == "nested tar" else ""
        found = find(tmp_path, tar({prefix + name: files[name] for name in files}, "w:gz"))
    assert found.path.read_bytes() == models[file]


def test_an_mlflow_model_without_a_known_flavour_is_named(tmp_path):
    mlmodel = (
        b"flavors:\n  python_function:\n    python_model: python_model.pkl\n  keras:\n    a: b\n"
    )
    message = refusal(tmp_path, tar({"MLmodel": mlmodel, "python_model.pkl": b"\x80\x04]."}))
    assert "an MLflow model of the flavours python_function, keras, none of which" in message


def test_an_mlflow_model_whose_file_is_missing_is_named(tmp_path):
    mlmodel = MLMODEL.format(flavour="sklearn", key="pickled_model", file="model.pkl").encode()
    message = refusal(tmp_path, tar({"MLmodel": mlmodel}))
    assert "MLflow's description names model.pkl, but model.pkl is not there" in message


def test_mlflows_yaml_is_read_as_far_as_it_is_needed():
    text = MLMODEL.format(flavour="xgboost", key="data", file="'model.xgb'")
    assert named_file(text) == "model.xgb"
    assert flavours_in(text) == ["python_function", "xgboost"]
    assert named_file("flavors: {}\n") is None


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"m/model.txt": "model.txt", "README.md": None}, "model.txt"),
        ({"saved_model.pb": None, "variables/a": None}, "a TensorFlow SavedModel"),
        (
            {"metadata/part-00000": None, "data/part-00000-x.snappy.parquet": None},
            "a model of Spark ML; Spark's own trees",
        ),
        ({"predictor.pkl": "model.pkl", "learner.pkl": "model.pkl"}, "a predictor of AutoGluon"),
        (
            {"forest.safetensors": None, "model-settings.json": None},
            "a model that is packed already; serve it",
        ),
        ({}, "holds no model; expected"),
        ({"a": "model.txt", "b/c": "model.ubj"}, "holds 2 models, 'a', 'b/c'; expected exactly"),
    ],
)
def test_a_folder_holds_one_model_or_is_named(tmp_path, models, files, expected):
    folder = tmp_path / "folder"
    folder.mkdir()
    for name, model in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(models[model] if model else b"some notes")
    if expected in models:
        assert find_model(folder, tmp_path).path.read_bytes() == models[expected]
    else:
        with pytest.raises(UnsupportedEstimator, match=expected):
            find_model(folder, tmp_path)


def test_links_in_a_folder_are_not_followed(tmp_path, models):
    (tmp_path / "model.txt").write_bytes(models["model.txt"])
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "model.txt").symlink_to(tmp_path / "model.txt")
    (folder / "loop").symlink_to(folder)
    with pytest.raises(UnsupportedEstimator, match="holds no model"):
        find_model(folder, tmp_path)


def test_a_member_is_called_by_its_name(tmp_path):
    file = find(tmp_path, tar({"model.txt": b"tree\nversion=v4\n"}), "model.tar")
    with pytest.raises(UnsupportedEstimator) as raised:
        file.read()
    assert f"{tmp_path}/model.tar/model.txt cannot be read by LightGBM" in str(raised.value)
    assert Path(file.path).name not in str(raised.value)

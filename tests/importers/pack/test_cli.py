"""``forest pack`` as a command, and the model directory that it writes."""

import json
import os
import pickle
import re
import sys
import tarfile
import zipfile

import cloudpickle
import httpx
import joblib
import lightgbm
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import skops.io
import xgboost
from skl2onnx import to_onnx
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, IsolationForest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    StandardScaler,
    TargetEncoder,
)

from forked_command import run_forked
from mlserver_forest.artifact.forest_file import load_forest
from mlserver_forest.artifact.model_directory import load, read_settings
from mlserver_forest.importers.importer import import_estimator
from mlserver_forest.importers.pack import proof
from mlserver_forest.importers.pack.pickled_schema import schema_of
from mlserver_forest.importers.registry import importer_of
from support import ROOT, clean_environ

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def pack(*arguments, cwd=None):
    return run_forked("forest", "pack", *arguments, environ=clean_environ(), cwd=cwd)


def packed(path, out, *options):
    done = pack(path, "--out", out, *options)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def files(tmp_path_factory, iris, iris_forest):
    """A model file of each library, in each format."""
    folder = tmp_path_factory.mktemp("models")
    x, y = iris
    codes = np.unique(y, return_inverse=True)[1]
    joblib.dump(iris_forest, folder / "rf.joblib")
    joblib.dump(iris_forest, folder / "rf-small.joblib", compress=3)
    (folder / "rf.pkl").write_bytes(pickle.dumps(iris_forest))
    skops.io.dump(iris_forest, folder / "rf.skops")
    boosted = HistGradientBoostingClassifier(max_iter=5, categorical_features=[0])
    skops.io.dump(boosted.fit(np.round(x), y), folder / "hist.skops")
    joblib.dump(IsolationForest(n_estimators=9).fit(x), folder / "isolation.joblib")
    xgb = xgboost.XGBClassifier(n_estimators=5, n_jobs=1).fit(x, codes)
    xgb.save_model(folder / "model.ubj")
    xgb.save_model(folder / "model.json")
    skops.io.dump(xgb, folder / "xgb.skops")
    lgb = lightgbm.LGBMClassifier(n_estimators=5, n_jobs=1, verbosity=-1).fit(x, y)
    lgb.booster_.save_model(folder / "model.txt")
    joblib.dump(lgb, folder / "lgb.joblib")
    (folder / "lgb-booster.pkl").write_bytes(pickle.dumps(lgb.booster_))
    joblib.dump(xgb, folder / "xgb.joblib", compress=1)
    (folder / "booster.pkl").write_bytes(pickle.dumps(xgb.get_booster(), 2))
    exported = to_onnx(iris_forest, x[:1].astype(np.float32), options={"zipmap": False})
    (folder / "model.onnx").write_bytes(exported.SerializeToString())
    with tarfile.open(folder / "model.tar.gz", "w:gz") as archive:
        archive.add(folder / "model.ubj", "./xgboost-model")
        archive.add(folder / "rf.pkl", "code/inference.py")
        archive.add(folder / "model.json", ".hidden")
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    joblib.dump(pipeline.fit(x, y), folder / "pipeline.joblib")
    return folder


@pytest.mark.parametrize(
    "name",
    [
        *("rf.joblib", "rf-small.joblib", "rf.pkl", "rf.skops", "hist.skops", "isolation.joblib"),
        *("model.ubj", "model.json", "xgb.skops", "xgb.joblib", "booster.pkl", "model.txt"),
        *("lgb.joblib", "lgb-booster.pkl", "model.tar.gz", "model.onnx"),
    ],
)
def test_every_form_of_file_is_packed_and_proven(files, tmp_path, name):
    out = packed(files / name, tmp_path / "model")
    assert re.search(r"1000 rows, 0 differences, largest \|Δ\| \S+, compared with \w", out)
    assert "was not asked" not in out
    settings = read_settings(tmp_path / "model", trust_code=False)
    assert len(settings["inputs"]) == 4
    assert load_forest(tmp_path / "model" / "forest.safetensors").n_features == 4


def test_a_sample_is_answered_too_and_names_are_taken(files, tmp_path, iris):
    sample = tmp_path / "sample.csv"
    header = "a,b,c,d\n"
    sample.write_text(header + "\n".join(",".join(map(str, row)) for row in iris[0].tolist()))
    names = ("--feature-names", "a,b,c,d", "--class-names", "x,y,z", "--data", sample)
    assert "1150 rows, 0 differences" in packed(files / "model.ubj", tmp_path / "model", *names)
    settings = json.loads((tmp_path / "model" / "model-settings.json").read_text())
    assert [tensor["name"] for tensor in settings["inputs"]] == ["a", "b", "c", "d"]
    assert settings["outputs"][0]["parameters"]["classes"] == ["x", "y", "z"]


def test_the_packed_model_is_served(files, tmp_path, start_serve, iris, iris_forest):
    import httpx

    packed(files / "rf.skops", tmp_path / "model")
    server = start_serve(tmp_path / "model").wait_until_ready()
    body = "\n".join(",".join(map(str, row)) for row in iris[0].tolist())
    answer = httpx.post(
        f"{server.url}/invocations", content=body, headers={"Content-Type": "text/csv"}
    )
    assert answer.text.split() == iris_forest.predict(iris[0]).tolist()


def test_an_anomaly_detector_is_served(files, tmp_path, start_serve, iris):
    import httpx

    packed(files / "isolation.joblib", tmp_path / "model")
    server = start_serve(tmp_path / "model").wait_until_ready()
    answer = httpx.post(f"{server.url}/invocations", json=iris[0][:2].tolist()).json()
    estimator = joblib.load(files / "isolation.joblib")
    assert answer["predictions"] == [
        {"predicted_label": label, "score_samples": score, "decision_function": decision}
        for label, score, decision in zip(
            estimator.predict(iris[0][:2]).tolist(),
            estimator.score_samples(iris[0][:2]).tolist(),
            estimator.decision_function(iris[0][:2]).tolist(),
            strict=True,
        )
    ]


class Bomb:
    """A pickle that writes a file when it is read."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (os.mkdir, (self.path,))


def test_a_pickle_is_not_read_without_trust(tmp_path):
    joblib.dump(Bomb(tmp_path / "exploded"), tmp_path / "bomb.joblib")
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "bomb.joblib", "model.joblib")
    for name in ("bomb.joblib", "model.tar.gz"):
        done = pack(tmp_path / name, "--out", tmp_path / "model")
        assert done.returncode == 1
        assert "--trust-pickle" in done.stderr
    assert not (tmp_path / "exploded").exists()
    assert not (tmp_path / "model").exists()


def test_a_pipeline_is_packed_for_mlservers_own_runtime(files, tmp_path):
    out = packed(files / "pipeline.joblib", tmp_path / "model", "--trust-pickle")
    assert "FOREST_TRUST_CODE=true" in out
    settings = read_settings(tmp_path / "model", trust_code=True)
    assert settings["implementation"] == "mlserver_sklearn.SKLearnModel"
    assert joblib.load(settings["parameters"]["uri"]).predict([[5.1, 3.5, 1.4, 0.2]]) == ["setosa"]


@pytest.mark.parametrize("version", ["0.20.4", "1.3.2"])
def test_a_model_of_an_old_version_is_packed_without_it(tmp_path, version):
    """The output says whose rules were followed, and that nobody else was asked."""
    with zipfile.ZipFile(
        ROOT / "tests" / "compatibility" / "scikit-learn" / f"{version}.zip"
    ) as old:
        (name,) = [name for name in old.namelist() if re.match(r"random-forest\.[jp]\w+$", name)]
        old.extract(name, tmp_path)
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / name, "model.joblib")
    out = packed(tmp_path / "model.tar.gz", tmp_path / "model")
    assert f"RandomForestClassifier with 4 trees and 92 nodes of scikit-learn {version}\n" in out
    assert f"a plain walk of the same trees in NumPy; scikit-learn {version} itself was not" in out
    settings = json.loads((tmp_path / "model" / "model-settings.json").read_text())
    assert f"scikit-learn/{version}" in json.dumps(settings)


def test_a_model_of_awss_image_of_2021(tmp_path):
    """Written by scikit-learn 0.23, with the code of its endpoint, and answers that it gave."""
    folder = ROOT / "tests" / "compatibility" / "scikit-learn"
    with zipfile.ZipFile(folder / "0.23.2.zip") as old:
        (name,) = [name for name in old.namelist() if re.match(r"random-forest\.[jp]\w+$", name)]
        for wanted in (name, "random-forest.npz"):
            old.extract(wanted, tmp_path)
    with np.load(tmp_path / "random-forest.npz") as answers:
        np.savetxt(tmp_path / "rows.csv", answers["x"], delimiter=",", fmt="%.17g")
        np.save(tmp_path / "answers.npy", answers["predict_proba"])
    (tmp_path / "inference.py").write_text("import joblib\n")
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / name, "model.joblib")
        archive.add(tmp_path / "inference.py", "inference.py")
        archive.add(tmp_path / name, "code/model.joblib")
    own = ("--data", tmp_path / "rows.csv", "--expect", tmp_path / "answers.npy")
    out = packed(tmp_path / "model.tar.gz", tmp_path / "model", *own)
    assert "RandomForestClassifier with 4 trees and 92 nodes of scikit-learn 0.23.2\n" in out
    assert f"60 rows agree with {tmp_path}/answers.npy, largest |Δ| 0\n" in out


@pytest.mark.parametrize("name", ["../x", "a/b", "ü", ""])
def test_a_name_that_serve_refuses_is_refused(files, tmp_path, name):
    done = pack(files / "model.ubj", "--out", tmp_path / "model", "--name", name)
    assert done.returncode == 1
    assert f"the model's name {name!r} is not made of letters, digits, . _ -" in done.stderr
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    "name",
    [
        *("rf.joblib", "isolation.joblib"),
        *("booster.pkl", "lgb-booster.pkl", "model.txt"),
    ],
)
def test_another_interpreter_may_be_asked(files, tmp_path, name):
    """It has the library that wrote the model, and loads it."""
    command = f"{sys.executable} -W ignore"
    out = packed(files / name, tmp_path / "model", "--prove-with", command)
    assert re.search(
        r"1000 rows, 0 differences.*, compared with \S+ [\d.]+ in /\S+ -W ignore\n", out
    )


@pytest.mark.parametrize("rounds", ["best", "all"])
def test_another_interpreter_is_asked_about_the_rounds_that_are_packed(tmp_path, rounds):
    x = np.random.default_rng(0).normal(size=(200, 4))
    rows, other = (xgboost.DMatrix(x, label) for label in (x[:, 0] > 0, x[:, 0] < 0))
    parameters = {"objective": "multi:softmax", "num_class": 2, "eta": 1.0}
    options = {"evals": [(other, "v")], "early_stopping_rounds": 2, "verbose_eval": False}
    booster = xgboost.train(parameters, rows, 30, **options)
    booster.save_model(tmp_path / "model.ubj")
    options = ("--rounds", rounds, "--prove-with", sys.executable)
    out = packed(tmp_path / "model.ubj", tmp_path / "model", *options)
    assert "1000 rows, 0 differences" in out
    assert f"compared with XGBoost {xgboost.__version__} in {sys.executable}" in out


def test_what_another_interpreter_cannot_load_is_said(files, tmp_path):
    done = pack(files / "rf.skops", "--out", tmp_path / "model", "--prove-with", sys.executable)
    assert done.returncode == 1
    assert "--prove-with loads pickles and joblib files, and the files of XGBoost" in done.stderr


def test_an_interpreter_with_another_version_proves_little(tmp_path):
    """It answers by its own rules, which may be others."""
    folder = ROOT / "tests" / "compatibility" / "scikit-learn"
    with zipfile.ZipFile(folder / "1.8.0.zip") as old:
        old.extract("extra-trees-regressor.joblib", tmp_path)
    path = tmp_path / "extra-trees-regressor.joblib"
    out = packed(path, tmp_path / "model", "--prove-with", sys.executable)
    assert "which is not the version 1.8.0 that wrote it, so it proves little" in out


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        ("/no/such/python", "No such file or directory: '/no/such/python'"),
        (f"{sys.executable} -S", "ended with exit code 1 (ModuleNotFoundError: No module named"),
        ("echo", "its answers are not arrays"),
    ],
)
def test_an_interpreter_that_cannot_answer_is_named(files, tmp_path, command, fault):
    done = pack(files / "rf.joblib", "--out", tmp_path / "model", "--prove-with", command)
    assert done.returncode == 1
    assert f"--prove-with {command}" in done.stderr
    assert fault in done.stderr
    assert not (tmp_path / "model").exists()


@pytest.fixture
def sample(tmp_path, iris):
    path = tmp_path / "sample.csv"
    path.write_text("\n".join(",".join(map(str, row)) for row in iris[0].tolist()))
    return path


@pytest.mark.parametrize("form", ["labels.csv", "header.csv", "probabilities.npy", "p.parquet"])
def test_the_users_own_answers_are_compared(files, tmp_path, iris, iris_forest, sample, form):
    labels, shares = iris_forest.predict(iris[0]), iris_forest.predict_proba(iris[0])
    path = tmp_path / form
    if form.endswith("npy"):
        np.save(path, shares)
    elif form.endswith("parquet"):
        pq.write_table(pa.table(dict(zip("abc", shares.T, strict=True))), path)
    else:
        path.write_text("\n".join([*(["label"] if form == "header.csv" else []), *labels, ""]))
    out = packed(files / "rf.joblib", tmp_path / "model", "--data", sample, "--expect", path)
    assert f"150 rows agree with {path}" in out


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (
            lambda labels: ["virginica", *labels[1:]],
            "1 of 150 rows differ, the first one is row 1;",
        ),
        (lambda labels: labels[:9], "has 9 rows, and the sample has 150; give one answer for each"),
        (
            lambda labels: [f"{label},1" for label in labels],
            "has 2 columns; the model answers with 3",
        ),
    ],
)
def test_answers_that_differ_are_refused(files, tmp_path, iris, iris_forest, sample, change, fault):
    path = tmp_path / "answers.csv"
    path.write_text("\n".join(change(iris_forest.predict(iris[0]).tolist())))
    done = pack(files / "rf.joblib", "--out", tmp_path / "m", "--data", sample, "--expect", path)
    assert done.returncode == 1
    assert fault in done.stderr
    assert not (tmp_path / "m").exists()


def test_own_answers_need_their_rows(files, tmp_path, sample):
    done = pack(files / "rf.joblib", "--out", tmp_path / "m", "--expect", sample)
    assert (done.returncode, "--expect needs --data" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("found", "fault"),
    [
        ({"model": 1, "features": [2]}, "holds a dict with the keys ['model', 'features'], not an"),
        ([1, 2], "holds a list, not an estimator"),
        ("text", "holds a str, not an estimator; save the estimator alone, with joblib.dump("),
        (os.mkdir, "holds the name posix.mkdir alone"),
    ],
)
@pytest.mark.parametrize("protocol", [0, 1, 4])
def test_a_pickle_of_something_else_is_named(tmp_path, found, fault, protocol):
    (tmp_path / "model.joblib").write_bytes(pickle.dumps(found, protocol))
    for trust in ((), ("--trust-pickle",)):
        done = pack(tmp_path / "model.joblib", "--out", tmp_path / "model", *trust)
        assert done.returncode == 1
        assert fault in done.stderr


@pytest.mark.parametrize(
    ("wrap", "advice"),
    [
        (lambda forest: {"features": ["a"], "model": forest}, "joblib.load(this)['model']"),
        (lambda forest: ["a", forest], "joblib.load(this)[1]"),
        (lambda forest: (forest, 0.5), "joblib.load(this)[0]"),
    ],
)
def test_an_estimator_in_a_container_is_found(tmp_path, iris_forest, wrap, advice):
    """The advice can be followed as it stands."""
    path = tmp_path / "model.joblib"
    joblib.dump(wrap(iris_forest), path)
    done = pack(path, "--out", tmp_path / "model")
    assert f"save the estimator alone, with joblib.dump({advice}, file)" in done.stderr
    alone = eval(advice, {"joblib": joblib, "this": path})  # noqa: S307  # our own sentence
    joblib.dump(alone, tmp_path / "alone.joblib")
    packed(tmp_path / "alone.joblib", tmp_path / "model")


def test_any_estimator_that_was_fitted_on_a_data_frame_is_packed(tmp_path, iris):
    frame = pd.DataFrame(iris[0], columns=["a", "b", "c", "d"])
    joblib.dump(LogisticRegression().fit(frame, iris[1]), tmp_path / "one.joblib")
    several = MultiOutputClassifier(LogisticRegression()).fit(frame, np.c_[iris[1], iris[1]])
    joblib.dump(several, tmp_path / "several.joblib")
    for name, width in (("one.joblib", 4), ("several.joblib", 0)):
        packed(tmp_path / name, tmp_path / "model", "--trust-pickle")
        settings = json.loads((tmp_path / "model" / "model-settings.json").read_text())
        assert len(settings.get("inputs", [])) == width


@pytest.mark.parametrize(
    "first",
    [
        ColumnTransformer([("words", OneHotEncoder(), ["colour"])], remainder="passthrough"),
        make_column_transformer((StandardScaler(), ["size"])),
        TargetEncoder(),
        SimpleImputer(strategy="most_frequent"),
        FunctionTransformer(lambda frame: frame[["size"]]),
    ],
)
def test_columns_that_may_hold_words_are_not_declared_as_numbers(first):
    frame = pd.DataFrame({"size": [1.0, 2, 3, 4] * 5, "colour": ["red", "blue"] * 10})
    y = [0, 1] * 10
    if isinstance(first, SimpleImputer):
        model = make_pipeline(first, OneHotEncoder(), LogisticRegression()).fit(frame, y)
    else:
        model = make_pipeline(first, LogisticRegression()).fit(frame, y)
    assert schema_of(model, ()).kind == "unknown"


def test_columns_of_numbers_are_declared():
    frame = pd.DataFrame({"size": [1.0, 2, 3, 4] * 5, "age": [3, 1] * 10})
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(frame, ["a", "b"] * 10)
    found = schema_of(model, ())
    assert (found.kind, found.feature_names, found.datatype, found.classes) == (
        "classification",
        ("size", "age"),
        "FP64",
        ("a", "b"),
    )
    assert schema_of(model, ("x", "y")).feature_names == ("x", "y")


def test_a_class_that_the_pickle_itself_makes_needs_trust(tmp_path, iris):
    """cloudpickle writes the class of a script with its code."""

    class Mine(LogisticRegression):
        pass

    (tmp_path / "model.pkl").write_bytes(cloudpickle.dumps(Mine().fit(*iris)))
    done = pack(tmp_path / "model.pkl", "--out", tmp_path / "model")
    assert done.returncode == 1
    assert "cloudpickle's _make_skeleton_class cannot be packed" in done.stderr
    assert "if you trust where it comes from, add --trust-pickle" in done.stderr


def test_a_pickle_that_only_python_reads_is_read_with_trust(tmp_path, iris):
    """Opcode \x84 looks a name up in a registry of the process."""
    content = pickle.dumps(LogisticRegression().fit(*iris), 2)
    registered = content.replace(b"\x80\x02", b"\x80\x02\x84\x00\x00\x00\x7f0", 1)
    (tmp_path / "model.pkl").write_bytes(registered)
    done = pack(tmp_path / "model.pkl", "--out", tmp_path / "model")
    assert "uses a registry of the program that wrote it" in done.stderr
    trusted = pack(tmp_path / "model.pkl", "--out", tmp_path / "model", "--trust-pickle")
    assert "cannot be unpickled: ValueError: unregistered extension code" in trusted.stderr


class Calls:
    """A pickle that calls a function when it is loaded."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    ("call", "fault"),
    [
        (Calls(os.abort), "a library crashed while it read the model (SIGABRT; "),
        (
            Calls(eval, "__import__('os').kill(__import__('os').getpid(), 9)"),
            "was killed (SIGKILL)",
        ),
        (Calls(eval, "__import__('os').kill(__import__('os').getpid(), 15)"), "stopped (SIGTERM)"),
        (Calls(os._exit, 3), "ended the process that read it (exit code 3; it wrote no message)"),
        (Calls(os._exit, 0), "ended the process that read it (exit code 0; it wrote no message)"),
        (Calls(sys.exit, 4), "the code in the file ended the process that read it (exit code 4)"),
        (Calls(bytearray, 1 << 45), "cannot be unpickled: MemoryError"),
        (Calls(eval, "1 / 0"), "cannot be unpickled: ZeroDivisionError: division by zero"),
        (
            Calls(eval, "(__import__('os').write(2, b'\\xff\\xfe'), __import__('os').abort())"),
            "SIGABRT; \ufffd\ufffd",
        ),
    ],
)
def test_each_end_of_the_reading_process_has_a_sentence_of_its_own(tmp_path, call, fault):
    joblib.dump(call, tmp_path / "model.joblib")
    done = pack(tmp_path / "model.joblib", "--out", tmp_path / "model", "--trust-pickle")
    assert done.returncode == 1
    assert fault in done.stderr
    assert str(tmp_path / "model.joblib") in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "is empty"),
        (b"hello world", "is not a model file: it starts with 'hello wo'"),
        (b"CBM1....", "CatBoost"),
        (b"binf....", "XGBoost model in binary form is damaged at byte 0"),
        (b"PK\x03\x04....", "cannot be read"),
        (b"{}", "is not a model file: it starts with '{}'"),
        (b"\x89HDF\r\n\x1a\n", "is a Keras model in HDF5; a neural network is not a tree"),
        (b'{"learner": {}}', "cannot be read by XGBoost"),
        (b"tree\nversion=v4\n", "cannot be read by LightGBM"),
    ],
)
def test_what_is_no_model_is_refused_by_name(tmp_path, content, fault):
    (tmp_path / "file").write_bytes(content)
    done = pack(tmp_path / "file", "--out", tmp_path / "model")
    assert done.returncode == 1
    assert fault in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "model").exists()


def test_a_length_that_names_more_memory_than_there_is_is_refused(files, tmp_path):
    """XGBoost allocates what the length of an array in UBJ says."""
    content = (files / "model.ubj").read_bytes()
    many = (1 << 40).to_bytes(8, "big")
    damaged = re.sub(
        rb"(base_weights\[\$dL?#L).{8}", rb"\g<1>" + many, content, count=1, flags=re.DOTALL
    )
    assert damaged != content
    (tmp_path / "model.ubj").write_bytes(damaged)
    done = pack(tmp_path / "model.ubj", "--out", tmp_path / "out")
    assert (done.returncode, done.stdout) == (1, "")
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_an_archive_of_two_models_is_refused(files, tmp_path):
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as archive:
        archive.add(files / "model.ubj", "a")
        archive.add(files / "model.txt", "b")
    done = pack(tmp_path / "model.tar.gz", "--out", tmp_path / "model")
    assert "holds 2 models, 'a', 'b'; expected exactly one" in done.stderr


def test_a_sample_of_another_width_is_refused(files, tmp_path):
    (tmp_path / "sample.csv").write_text("1,2,3\n")
    done = pack(files / "model.ubj", "--out", tmp_path / "model", "--data", tmp_path / "sample.csv")
    assert done.returncode == 1
    assert "row 1 has 3 values; the model expects 4" in done.stderr


def test_the_comparison_finds_one_probability_that_is_off_by_one_bit(iris, iris_forest):
    model = import_estimator(iris_forest)
    answers = proof.ask(importer_of(iris_forest), iris_forest, model, iris[0])
    assert proof.compare(model, answers).n_different == 0
    answers.values[7, 0] = np.nextafter(answers.values[7, 0], 2)
    assert proof.compare(model, answers).n_different == 1


def booster_file(version, name, folder):
    """A file of an old version of XGBoost."""
    with zipfile.ZipFile(ROOT / f"tests/compatibility/xgboost/{version}.zip") as archive:
        return archive.extract(name, folder)


def test_xgboosts_old_binary_form_is_packed_in_sagemakers_archive(tmp_path):
    path = booster_file("1.5.2", "softprob.model", tmp_path)
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as archive:
        archive.add(path, "xgboost-model")
    told = packed(tmp_path / "model.tar.gz", tmp_path / "model")
    assert "nodes of XGBoost 1.5\n" in told
    assert "which reads what 1.5 wrote; XGBoost 1.5 itself was not asked" in told
    assert "xgboost/1.5" in read_settings(tmp_path / "model", trust_code=False)["versions"]


@pytest.mark.parametrize(
    ("options", "n_trees", "note"),
    [
        ((), 1, "the first 1 of 4 rounds are packed, though Booster.predict uses all of them"),
        (("--rounds", "best"), 1, "it stopped early, so the first 1 of 4 rounds are packed\n"),
        (("--rounds", "all"), 4, "all 4 rounds are packed, and the best one is 1\n"),
    ],
)
def test_the_rounds_of_a_booster_that_stopped_early_are_chosen(tmp_path, options, n_trees, note):
    path = booster_file("2.0.3", "stopped.json", tmp_path)
    assert note in packed(path, tmp_path / "model", *options)
    assert load_forest(tmp_path / "model" / "forest.safetensors").n_trees == n_trees


def test_a_number_that_means_missing_is_kept(tmp_path):
    """A pickle says which one it is, and a file of XGBoost 2 does not."""
    path = booster_file("3.2.0", "estimator-missing.joblib", tmp_path)
    assert "--missing" not in packed(path, tmp_path / "pickled")
    path = booster_file("2.0.3", "estimator-missing.ubj", tmp_path)
    assert "add --missing NUMBER" in packed(path, tmp_path / "unknown")
    assert "--missing" not in packed(path, tmp_path / "told", "--missing", "-999")
    schemas = [
        load(tmp_path / name).schema.missing_number for name in ("pickled", "unknown", "told")
    ]
    assert schemas == [-999, None, -999]


@pytest.mark.parametrize(
    ("name", "options", "fault"),
    [
        ("model.txt", ("--missing", "-1"), "LightGBM reads no number as missing; leave it out"),
        ("rf.joblib", ("--rounds", "all"), "not for this RandomForestClassifier; leave them out"),
    ],
)
def test_an_option_that_has_no_meaning_is_refused(files, tmp_path, name, options, fault):
    done = pack(files / name, "--out", tmp_path / "model", *options)
    assert (done.returncode, fault in done.stderr) == (1, True), done.stderr


def test_a_number_that_means_missing_is_so_however_a_row_is_sent(tmp_path, start_serve):
    path = booster_file("3.2.0", "estimator-missing.joblib", tmp_path)
    packed(path, tmp_path / "model")
    server = start_serve(tmp_path / "model").wait_until_ready()

    def answer(**body):
        return httpx.post(f"{server.url}/invocations", **body).json()

    expected = answer(json=[[None, 0.5, None, 2]])
    assert answer(json=[[1, 0.5, 1, 2]]) != expected
    assert answer(json=[[-999, 0.5, -999, 2]]) == expected
    assert answer(json=[[-999, 0.5, None, 2]]) == expected
    csv = {"content-type": "text/csv", "accept": "application/json"}
    assert answer(content=b"-999,0.5,-999,2", headers=csv) == expected
    assert answer(content=b"-999,0.5,-999.0,2\n", headers=csv) == expected


def test_the_version_that_wrote_a_booster_may_be_asked(tmp_path):
    estimator = xgboost.XGBRegressor(n_estimators=2, n_jobs=1).fit(np.eye(4), np.arange(4))
    joblib.dump(estimator, tmp_path / "model.joblib")
    told = packed(tmp_path / "model.joblib", tmp_path / "model", "--prove-with", sys.executable)
    assert f"compared with XGBoost {xgboost.__version__} in {sys.executable}\n" in told


def test_a_model_is_named_after_its_file_and_may_skip_other_columns(files, tmp_path, iris):
    packed(files / "rf.joblib", tmp_path / "model", "--extra", "ignore")
    settings = read_settings(tmp_path / "model", trust_code=False)
    assert settings["name"] == "rf"
    model = load(tmp_path / "model")
    assert model.schema.ignores_extra
    frame = pd.DataFrame(iris[0][:5], columns=model.schema.feature_names)
    assert model.predict(frame.assign(id=7)).tolist() == model.predict(frame).tolist()

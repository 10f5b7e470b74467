"""The ``train`` command on /opt/ml trees laid out as SageMaker does."""

import os
import threading

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.ensemble import ExtraTreesRegressor, RandomForestClassifier

from mlserver_forest.evaluation.quality_metrics import METRICS
from mlserver_forest.training.cli import train_in
from mlserver_forest.training.fitting import job_fitter
from support import IRIS, lay_out
from training.train_command import failed, train, trained

IRIS_TEXT = IRIS.read_text()
FAST = {"n_estimators": "5", "random_state": "3", "report": "false"}
CLASSIFICATION = {f"validation:{name}" for name in METRICS["classification"]}


def test_iris_becomes_the_forest_that_scikit_learn_fits(tmp_path, iris):
    lay_out(tmp_path, {"training": {"iris.csv": IRIS_TEXT}}, {"random_state": "3"})
    schema, forest, out = trained(tmp_path)
    x, y = iris
    expected = RandomForestClassifier(random_state=3).fit(x, y)
    assert schema.feature_names == ("feature_0", "feature_1", "feature_2", "feature_3")
    assert schema.classes == ("setosa", "versicolor", "virginica")
    assert np.array_equal(forest.predict(x).values, expected.predict_proba(x))
    assert "validating on 30 held-out rows" in out


def test_a_validation_channel_is_used_and_not_learned_from(tmp_path, iris):
    lines = IRIS_TEXT.splitlines(keepends=True)
    channels = {
        "train": {"a.csv": "".join(lines[::2])},
        "validation": {"b.csv": "".join(lines[1::2])},
    }
    lay_out(tmp_path, channels, FAST)
    _, forest, out = trained(tmp_path)
    x, y = iris
    expected = RandomForestClassifier(5, random_state=3).fit(x[::2], y[::2])
    assert np.array_equal(forest.predict(x).values, expected.predict_proba(x))
    accuracy = np.mean(expected.predict(x[1::2]) == y[1::2])
    assert f"validation:accuracy={accuracy:.6g};" in out


def test_a_header_names_the_features(tmp_path):
    header = "species,sepal length,sepal width,petal length,petal width\n"
    lay_out(tmp_path, {"train": {"iris.csv": header + IRIS_TEXT}}, FAST)
    schema, _, out = trained(tmp_path)
    assert schema.feature_names == ("sepal length", "sepal width", "petal length", "petal width")
    assert "read 150 rows with 4 features" in out


@pytest.mark.parametrize("content_type", ["text/csv; header=present", "text/csv;header=absent"])
def test_a_header_can_be_declared(tmp_path, content_type):
    """Otherwise, numbers as names would be read as a row, and the other way round."""
    text = "0,1,2\n" + "0,5,6\n1,7,8\n" * 10
    lay_out(tmp_path, {"train": {"a.csv": text}}, FAST, content_type)
    schema, _, out = trained(tmp_path)
    present = content_type.endswith("present")
    assert schema.feature_names == (("1", "2") if present else ("feature_0", "feature_1"))
    assert f"read {20 if present else 21} rows" in out


def test_files_are_found_in_nested_folders_and_strays_are_skipped(tmp_path):
    lines = IRIS_TEXT.splitlines(keepends=True)
    files = {
        "part-0.csv": "".join(lines[:50]),
        "a/part-1.csv": "".join(lines[50:100]).replace("\n", "\r\n"),
        "a/b/part-2": "\ufeff" + "".join(lines[100:]).rstrip("\n"),
        "_SUCCESS": "x",
        ".hidden": "x",
        "_temporary/0.csv": "x",
        ".git/0.csv": "x",
        "empty.csv": "",
    }
    lay_out(tmp_path, {"training": files}, FAST)
    (tmp_path / "input" / "data" / "training-manifest").write_text("{}")
    _, _, out = trained(tmp_path)
    assert "read 150 rows with 4 features from 3 files" in out


@pytest.mark.parametrize(
    ("labels", "hyperparameters", "kind", "classes"),
    [
        (["a", "b"], {}, "classification", ("a", "b")),
        (["3", "-1"], {}, "classification", (-1, 3)),
        (["10", "9"], {}, "classification", (9, 10)),
        (["0", "a"], {}, "classification", ("0", "a")),
        (["true", "false"], {}, "classification", ("false", "true")),
        (["1.5", "2"], {}, "regression", ()),
        (["1", "2"], {"task": "regression"}, "regression", ()),
        (["a b", '"c,d"'], {}, "classification", ("a b", "c,d")),
        (["007", "7"], {}, "classification", ("007", "7")),
        (["9007199254740993123", "1"], {}, "classification", ("1", "9007199254740993123")),
        (["1.0", "2.0"], {"task": "classification"}, "classification", (1, 2)),
    ],
)
def test_the_labels_decide_the_task_unless_it_is_set(
    tmp_path, labels, hyperparameters, kind, classes
):
    text = "".join(f"{label},{i},{i % 3}\n" for i in range(10) for label in labels)
    lay_out(tmp_path, {"train": {"a.csv": text}}, {**FAST, **hyperparameters})
    schema, _, out = trained(tmp_path)
    assert (schema.kind, schema.classes) == (kind, classes)
    assert ("validation:rmse=" in out) == (kind == "regression")


def test_extra_trees_regression_is_scikit_learns(tmp_path, iris):
    x = iris[0]
    text = "".join(f"{row[0]},{row[1]},{row[2]},{row[3]}\n" for row in x.astype(float).round(1))
    lay_out(
        tmp_path,
        {"train": {"a.csv": text}},
        {**FAST, "algorithm": "extra_trees", "task": "regression"},
    )
    schema, forest, _ = trained(tmp_path)
    expected = ExtraTreesRegressor(5, random_state=3).fit(x[:, 1:], x[:, 0].astype(float).round(1))
    assert schema.kind == "regression"
    assert np.array_equal(forest.predict(x[:, 1:]).values[:, 0], expected.predict(x[:, 1:]))


def test_missing_values_are_learned_from(tmp_path):
    text = "a,1,\nb,,2\n" * 20
    lay_out(tmp_path, {"train": {"a.csv": text}}, FAST)
    _, forest, _ = trained(tmp_path)
    x = np.array([[1, np.nan], [np.nan, 2]], np.float32)
    assert forest.predict(x).values.argmax(axis=1).tolist() == [0, 1]


WORDS_TEXT = "".join(
    f"{label},{n},{word}\n"
    for n, (label, word) in enumerate([("a", "red"), ("b", "blue"), ("a", "")] * 10)
)


def test_categories_are_learned_and_listed_in_the_schema(tmp_path):
    lay_out(tmp_path, {"train": {"a.csv": "label,n,colour\n" + WORDS_TEXT}}, FAST)
    schema, forest, _ = trained(tmp_path)
    assert schema.feature_names == ("n", "colour")
    assert {name: found.names for name, found in schema.categories.items()} == {
        "colour": ("blue", "red")
    }
    x = np.array([[0, 1], [1, 0]], np.float32)
    assert forest.predict(x).values.argmax(axis=1).tolist() == [0, 1]


def test_parquet_and_a_pipe_train_the_same_forest_as_csv(tmp_path):
    """Parquet is recognized by its extension; the pipe has a second FIFO for a second pass."""
    names = ["label", "n", "colour"]
    rows = [line.split(",") for line in WORDS_TEXT.splitlines()]
    columns = [[row[0] for row in rows], [float(row[1]) for row in rows], [row[2] for row in rows]]
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns, names), sink)
    lay_out(tmp_path / "c", {"train": {"a.csv": WORDS_TEXT}}, FAST)
    parquet = {"train": {"a.parquet": sink.getvalue().to_pybytes()}}
    lay_out(tmp_path / "p", parquet, FAST, inputdataconfig={"train": {}})
    described = {"train": {"TrainingInputMode": "Pipe", "ContentType": "text/csv"}}
    lay_out(tmp_path / "f", {"validation": {}}, FAST, inputdataconfig=described)
    fifo = tmp_path / "f" / "input" / "data" / "train_0"
    fifo.parent.mkdir(parents=True)
    os.mkfifo(fifo)
    writer = threading.Thread(target=fifo.write_text, args=(WORDS_TEXT,))
    writer.start()
    forests = [trained(tmp_path / base)[1] for base in "cpf"]
    writer.join()
    x = np.array([[n, code] for n in range(30) for code in (0, 1, np.nan)], np.float32)
    for forest in forests[1:]:
        assert np.array_equal(forest.predict(x).values, forests[0].predict(x).values)


def test_class_weights_go_by_label(tmp_path):
    text = "a,1\nb,1\n" * 20
    lay_out(tmp_path, {"train": {"a.csv": text}}, {**FAST, "class_weight": '{"a": 3, "b": 1}'})
    _, forest, _ = trained(tmp_path)
    a, b = forest.predict(np.ones((1, 1), np.float32)).values[0]
    assert a > b


def test_a_folder_laid_out_by_hand_needs_no_config(tmp_path):
    (tmp_path / "input" / "data" / "train").mkdir(parents=True)
    (tmp_path / "input" / "data" / "train" / "iris.csv").write_text(IRIS_TEXT)
    trained(tmp_path)


def test_the_base_dir_can_be_an_argument(tmp_path):
    lay_out(tmp_path / "ml", {"train": {"iris.csv": IRIS_TEXT}}, FAST)
    done = train("/nonexistent", "--base-dir", tmp_path / "ml")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "ml" / "model" / "model-settings.json").exists()


def test_unknown_keys_in_the_configuration_are_ignored(tmp_path):
    resources = {"current_host": "algo-1", "hosts": ["algo-1"], "topology": {"x": 1}}
    lay_out(tmp_path, {"train": {"iris.csv": IRIS_TEXT}}, FAST, resourceconfig=resources)
    trained(tmp_path)


def test_an_earlier_failure_is_forgotten(tmp_path):
    lay_out(tmp_path, {"train": {"iris.csv": "a,b"}}, FAST)
    failed(tmp_path)
    lay_out(tmp_path, {"train": {"iris.csv": IRIS_TEXT}}, FAST)
    trained(tmp_path)


def test_few_rows_train_without_validation(tmp_path):
    lay_out(tmp_path, {"train": {"a.csv": "a,1\nb,2\n"}}, FAST)
    _, _, out = trained(tmp_path)
    assert "too few rows to hold some out; no validation metrics" in out


@pytest.mark.parametrize(
    ("files", "hyperparameters", "fault"),
    [
        ({}, {}, "channel 'train' is empty: {data}/train does not exist"),
        (
            {"_SUCCESS": "x", "a.csv": ""},
            {},
            "channel 'train' is empty: {data}/train holds no data",
        ),
        ({"a.csv": "\n\n"}, {}, "{data}/train/a.csv holds only empty lines"),
        (
            {"a.csv": "a,1\nb,2\n", "b.csv": 'a,"1"\n" ",2\n'},
            {},
            "{data}/train/b.csv, line 2: the label (column 1) is missing",
        ),
        (
            {"a.csv": "a,1\na,2\n", "b.csv": "a,1\n"},
            {},
            "all 3 labels, from {data}/train/a.csv, line 1 to {data}/train/b.csv, line 1, are 'a'",
        ),
        ({"a.csv": "a,1\n", "b.csv": "a,1,2\n"}, {}, "{data}/train/b.csv, line 1: 3 columns; the"),
        ({"a.csv": "l,x\na,1\n", "b.csv": "l,y\nb,1\n"}, {}, "{data}/train/b.csv, line 1: columns"),
        ({"a.csv": "l,x\n"}, {}, "{data}/train/a.csv has a header and no row"),
        ({"a.csv": "l,x\n"}, {"task": "regression"}, "{data}/train/a.csv has a header and no row"),
        (
            {"a.csv": b"\x1f\x8b\x08\x00"},
            {},
            "{data}/train/a.csv is damaged: its compressed stream fails",
        ),
        ({"a.parquet": b"PAR1\x00\x01\xfe"}, {}, "{data}/train/a.parquet"),
        (
            {"a.csv": "1.5,1\na,2\n"},
            {"task": "regression"},
            "{data}/train/a.csv, line 2: label 'a' is not a number from -1e150",
        ),
        (
            {"a.csv": "1,1\n1.5,2\n"},
            {"task": "classification"},
            "{data}/train/a.csv, line 2: label '1.5' is neither a whole number nor text",
        ),
        (
            {"a.csv": "1.5,1\n2.5,2\n"},
            {"criterion": "gini"},
            "{data}/train/a.csv, line 1: label '1.5' is neither a whole number nor text, and crit",
        ),
        (
            {"a.csv": "a,1\nb,2\n"},
            {"class_weight": '{"c": 1}'},
            "1 invalid hyperparameter: class_weight names 'c', which is not a label",
        ),
    ],
)
def test_data_that_cannot_be_trained_on_are_refused_with_the_place(
    tmp_path, files, hyperparameters, fault
):
    lay_out(tmp_path, {"train": files}, {**FAST, **hyperparameters})
    assert failed(tmp_path).startswith(fault.format(data=tmp_path / "input" / "data"))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a\nb\n", "line 1: 1 column leaves no feature beside the target"),
        ("a,1,2\nb,1,2\na,1\n", "line 3 has 2 values; line 1 has 3"),
        ('\n\na,1\n"b\nc",2\nd,1,2\n', "line 6 has 3 values; line 3 has 2"),
        (
            'a,1\n"b,2\nc,3\n',
            "line 2 is not CSV: a quotation mark opens a field there and none closes it",
        ),
        ("a,1\nb,1e39\n", "line 2, column 2 (feature_0): 1e+39 is not a finite 32-bit number"),
        ("a,1\nb,-inf\n", "line 2, column 2 (feature_0): -inf is not a finite"),
        ("a,1\nb,2\n,3\n", "line 3: the label (column 1) is missing"),
        ("0,1\n1,2\nnan,3\n", "line 3: the label (column 1) is missing"),
        ("1.5,1\n1e308,2\n", "line 2: label '1e308' is not a number from -1e150 to 1e150"),
        ("l,x,x\na,1,2\n", "line 1: the names of columns are repeated: 'x' (columns 2 and 3)"),
        (b"a,1\nb,\xff\n", "line 2, byte 3 is not UTF-8, and probably cp1252; set encoding=cp1252"),
    ],
)
def test_a_fault_in_a_file_is_named_with_its_line(tmp_path, text, fault):
    lay_out(tmp_path, {"train": {"a.csv": text}}, FAST)
    assert failed(tmp_path).startswith(f"{tmp_path}/input/data/train/a.csv, {fault}")


@pytest.mark.parametrize(
    ("channels", "fault"),
    [
        ({"test": {}}, "there is no channel with the training data; expected exactly one of "),
        ({"train": {"a": "x"}, "training": {"a": "x"}}, "there are two channels with the training"),
    ],
)
def test_channels_that_do_not_say_what_to_learn_are_refused(tmp_path, channels, fault):
    lay_out(tmp_path, channels, FAST)
    assert failed(tmp_path).startswith(fault)


def test_a_label_that_training_never_saw_is_refused(tmp_path):
    channels = {"train": {"a.csv": "a,1\nb,2\n"}, "validation": {"v.csv": "a,1\nc,2\n"}}
    lay_out(tmp_path, channels, FAST)
    expected = f"{tmp_path}/input/data/validation/v.csv, line 2: label 'c' does not occur"
    assert failed(tmp_path).startswith(expected)


def test_hyperparameters_are_all_checked_before_data_are_read(tmp_path):
    hyperparameters = {"n_estimators": "-1", "max_deph": "3", "criterion": "best"}
    lay_out(tmp_path, {"train": {"a.csv": "not,even\ncsv"}}, hyperparameters)
    reason = failed(tmp_path)
    assert reason.startswith(
        "3 invalid hyperparameters: 'max_deph' is unknown; did you mean max_dep"
    )
    assert "n_estimators is -1" in reason
    assert "criterion is 'best'" in reason


def test_a_long_reason_is_cut_in_its_first_line_and_whole_below(tmp_path):
    hyperparameters = {f"unknown_{i}": "1" for i in range(60)}
    lay_out(tmp_path, {"train": {"a.csv": IRIS_TEXT}}, hyperparameters)
    done = train(tmp_path)
    assert done.returncode == 1
    first, whole = (tmp_path / "output" / "failure").read_text().splitlines()[:2]
    assert len(first) < 1024
    assert first.endswith(" ...")
    assert "'unknown_59' is unknown" in whole
    assert "'unknown_59' is unknown" in done.stderr


@pytest.mark.parametrize(
    ("files", "fault"),
    [
        (
            {"inputdataconfig": {"train": {"TrainingInputMode": "Tape"}}},
            "channel 'train' has Training",
        ),
        (
            {"inputdataconfig": {"train": {"ContentType": "image/png"}}},
            "channel 'train' has ContentType 'image/png'; expected one of text/csv, app",
        ),
        (
            {"hyperparameters": ["x"]},
            "{config}/hyperparameters.json holds list; expected a JSON obj",
        ),
    ],
)
def test_a_configuration_that_cannot_be_met_is_refused(tmp_path, files, fault):
    lay_out(tmp_path, {"train": {"a.csv": IRIS_TEXT}}, FAST)
    lay_out(tmp_path, {"train": {}}, **{"hyperparameters": FAST, **files})
    assert failed(tmp_path).startswith(fault.format(config=tmp_path / "input" / "config"))


def test_a_fault_of_ours_exits_with_2_and_its_traceback(tmp_path, monkeypatch, capfd):
    """The user cannot correct it. Here, an importer fails."""
    lay_out(tmp_path, {"train": {"a.csv": IRIS_TEXT}}, FAST)

    def failing(estimator):
        raise RuntimeError("a bug")

    monkeypatch.setattr(job_fitter, "import_estimator", failing)
    assert train_in(tmp_path) == 2
    failure = (tmp_path / "output" / "failure").read_text()
    assert failure.startswith("AlgorithmError: RuntimeError: a bug\n")
    assert "Traceback" in failure
    assert "Traceback" in capfd.readouterr().err


def test_a_model_folder_that_cannot_be_written_is_refused_before_the_fit(tmp_path):
    lay_out(tmp_path, {"train": {"a.csv": IRIS_TEXT}}, FAST)
    (tmp_path / "model").write_text("")
    assert failed(tmp_path).startswith(f"the model's folder {tmp_path}/model cannot be written")


def test_a_file_is_read_for_what_it_is_whatever_its_name(tmp_path):
    """Arrow would guess a compression from the name, and fail on blank fields."""
    text = 'kind,"size\n(cm)",weight \na,1, \nb,"2",\n' + "a,1,1\nb,2,2\n" * 5
    lay_out(tmp_path, {"train": {"plain.gz": text}}, FAST)
    schema, _, out = trained(tmp_path)
    assert schema.feature_names == ("size\n(cm)", "weight")
    assert "read 12 rows with 2 features from 1 file, a header" in out


def test_some_words_in_the_first_line_are_a_header_where_numbers_follow(tmp_path):
    text = "\nlabel,2019,q\n" + "a,1,2\nb,3,4\n" * 5
    lay_out(tmp_path, {"train": {"a.csv": text}}, FAST)
    schema, _, out = trained(tmp_path)
    assert schema.feature_names == ("2019", "q")
    assert "read 10 rows" in out


def test_a_rare_class_is_learned_from_and_the_rest_is_validated(tmp_path):
    rows = "".join(f"{'ab'[i % 2]},{i % 7}\n" for i in range(200)) + "rare,9\n"
    lay_out(tmp_path, {"train": {"a.csv": rows}}, FAST)
    schema, _, out = trained(tmp_path)
    assert schema.classes == ("a", "b", "rare")
    assert "validating on 40 held-out rows" in out
    assert "validation:accuracy=" in out


def test_many_classes_with_few_rows_each_are_validated(tmp_path):
    rows = "".join(f"c{i % 50},{i}\n" for i in range(150))
    lay_out(tmp_path, {"train": {"a.csv": rows}}, FAST)
    schema, _, out = trained(tmp_path)
    assert len(schema.classes) == 50
    assert "validation:accuracy=" in out


def test_a_linked_folder_is_read_once(tmp_path):
    lay_out(tmp_path, {"train": {"a.csv": IRIS_TEXT}}, FAST)
    channel = tmp_path / "input" / "data" / "train"
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "b.csv").write_text(IRIS_TEXT)
    (channel / "link").symlink_to(tmp_path / "elsewhere")
    (channel / "loop").symlink_to(channel)
    _, _, out = trained(tmp_path)
    assert "read 300 rows" in out


def test_a_link_that_leads_nowhere_is_refused(tmp_path):
    lay_out(tmp_path, {"train": {"a.csv": IRIS_TEXT}}, FAST)
    link = tmp_path / "input" / "data" / "train" / "b.csv"
    link.symlink_to(tmp_path / "nowhere")
    assert failed(tmp_path) == f"{link} is a link that leads nowhere; remove it"


def test_a_channel_that_is_not_read_may_be_of_any_mode(tmp_path):
    described = {"train": {}, "other": {"TrainingInputMode": "Pipe"}}
    lay_out(tmp_path, {"train": {"a.csv": IRIS_TEXT}}, FAST, inputdataconfig=described)
    trained(tmp_path)


def test_validation_columns_are_matched_by_name(tmp_path):
    channels = {
        "train": {"a.csv": "l,x,y\na,1,2\nb,2,3\n"},
        "validation": {"v.csv": "y,l,z\n2,a,1\n"},
    }
    lay_out(tmp_path, channels, FAST)
    assert failed(tmp_path).startswith(
        f"{tmp_path}/input/data/validation/v.csv, line 1: columns 'y', 'l', 'z' differ from those "
        "of the training data, 'l', 'x', 'y': missing 'x' and unknown 'z'"
    )


def test_variables_for_serving_do_not_stop_training(tmp_path):
    lay_out(tmp_path, {"train": {"a.csv": IRIS_TEXT}}, FAST)
    assert train(tmp_path, MAX_CONTENT_LENGTH="0").returncode == 0


def test_configuration_files_may_start_with_a_byte_order_mark(tmp_path):
    lay_out(tmp_path, {"train": {"a.csv": IRIS_TEXT}}, FAST)
    path = tmp_path / "input" / "config" / "hyperparameters.json"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    trained(tmp_path)

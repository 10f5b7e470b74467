"""``forest drift``: recent rows compared with training rows, offline."""

import csv
import io
import json
import re

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from mlserver_forest.cli import forest
from mlserver_forest.insight import histograms
from support import IRIS, save_model

NAMES = ["age", "city", "is_new"]


def run(*arguments):
    return CliRunner().invoke(forest, ["drift", *map(str, arguments)])


def found(result):
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    return document, {feature["name"]: feature for feature in document["features"]}


def rows(n, seed, cities=("Bern", "Rom", "Wien"), shift=0.0):
    rng = np.random.default_rng(seed)
    return [
        [
            "yes" if rng.random() < 0.5 else "no",
            "" if rng.random() < 0.1 else f"{rng.normal(40 + shift, 10):.3f}",
            rng.choice(cities),
            rng.choice(["true", "false"]),
        ]
        for _ in range(n)
    ]


def write(path, table, header=None, drop_label=False):
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    if header:
        writer.writerow(header[1:] if drop_label else header)
    writer.writerows([row[1:] if drop_label else row for row in table])
    path.write_text(file.getvalue())
    return path


HEADER = ["bought", *NAMES]


@pytest.fixture(scope="module")
def training(tmp_path_factory):
    return write(tmp_path_factory.mktemp("rows") / "training.csv", rows(3000, 0), HEADER)


def test_rows_of_the_same_kind_are_stable(training, tmp_path):
    recent = write(tmp_path / "recent.csv", rows(2000, 1), HEADER)
    document, features = found(run(training, recent, "--json"))
    assert (document["training"], document["recent"]) == ({"rows": 3000}, {"rows": 2000})
    assert document["prediction"] is None
    assert {feature["reading"] for feature in features.values()} == {"stable"}


def test_the_index_is_that_of_pandas(training, tmp_path):
    """Counted by pandas' cut, value_counts and isna."""
    old, new = rows(3000, 0), rows(2000, 1, cities=("Bern", "Rom", "Oslo"), shift=8)
    recent = write(tmp_path / "recent.csv", new, HEADER)
    _, features = found(run(training, recent, "--json"))
    before, after = (
        pd.read_csv(io.StringIO("\n".join(",".join(row) for row in table)), names=HEADER)
        for table in (old, new)
    )
    edges = np.quantile(before.age.dropna(), np.arange(1, 10) / 10, method="inverted_cdf")

    def shares(frame):
        bins = pd.cut(frame.age, [-np.inf, *edges, np.inf]).value_counts(sort=False)
        return np.array([frame.age.isna().sum(), *bins]) / len(frame)

    p, q = shares(before), shares(after)
    assert features["age"]["psi"] == pytest.approx(((q - p) * np.log(q / p)).sum())
    assert features["age"]["missing"] == after.age.isna().mean()
    assert features["age"]["missing_in_training"] == before.age.isna().mean()
    outside = (after.age < before.age.min()) | (after.age > before.age.max())
    assert features["age"]["out_of_range"] == outside.mean()
    assert features["city"]["unseen"] == (after.city == "Oslo").mean()
    assert features["city"]["out_of_range"] == features["city"]["unseen"]
    assert [entry["values"] for entry in features["city"]["bins"]] == [
        "missing", "unseen", "Bern", "Rom", "Wien"
    ]  # fmt: skip
    assert features["city"]["reading"] == "large"


@pytest.mark.parametrize("has_label", [False, True])
@pytest.mark.parametrize(
    ("has_header", "is_shuffled"), [(False, False), (True, False), (True, True)]
)
def test_recent_rows_come_with_and_without_labels(
    training, tmp_path, has_header, has_label, is_shuffled
):
    table, header = rows(1000, 2), HEADER
    if is_shuffled:
        table, header = [row[::-1] for row in table], header[::-1]
        if not has_label:
            table, header = [row[:-1] for row in table], header[:-1]
    elif not has_label:
        table, header = [row[1:] for row in table], header[1:]
    recent = write(tmp_path / "recent.csv", table, header if has_header else None)
    _, features = found(run(training, recent, "--json"))
    reference = write(tmp_path / "reference.csv", rows(1000, 2), HEADER)
    assert features == found(run(training, reference, "--json"))[1]


def test_the_label_may_stand_in_any_column(tmp_path):
    training = write(tmp_path / "a.csv", [row[::-1] for row in rows(500, 0)], HEADER[::-1])
    recent = write(tmp_path / "b.csv", [row[::-1] for row in rows(500, 1)], HEADER[::-1])
    _, features = found(run(training, recent, "--json", "--target", "bought"))
    assert sorted(features) == sorted(NAMES)
    assert found(run(training, recent, "--json", "--target", "3"))[1] == features


def test_the_table_has_the_most_drifted_first(training, tmp_path):
    recent = write(tmp_path / "recent.csv", rows(600, 1, shift=30), HEADER)
    result = run(training, recent)
    lines = result.stdout.splitlines()
    assert lines[0].split()[:3] == ["feature", "psi", "reading"]
    assert re.match(r"age +\d+\.\d{3} +large ", lines[1])
    assert lines[-1] == "600 recent rows against 3,000 training rows"


def test_few_rows_are_said_to_be_few(training, tmp_path):
    recent = write(tmp_path / "recent.csv", rows(20, 1), HEADER)
    page = tmp_path / "drift.html"
    lines = run(training, recent, "--html", page).stdout.splitlines()
    assert lines[0] == "With only 20 rows, much of this drift may be chance."
    assert [line for line in lines if "large, may be chance" in line]
    text = page.read_text().partition("<header>")[2]
    assert text.index("There are only 20 recent rows.") < text.index("large")
    assert '<div class="alarm stable">' in text


def test_an_index_within_chance_is_that_of_19_of_20_tables(training, tmp_path):
    """Tables of 60 rows of the same kind; 30 of 300 at most, where 15 are expected, are beyond."""
    _, features = found(run(training, write(tmp_path / "a.csv", rows(60, 1), HEADER), "--json"))
    table = pd.read_csv(
        io.StringIO("\n".join(",".join(row) for row in rows(3000, 0))), names=HEADER
    )
    baseline = histograms.learn(table[["age"]].to_numpy(), {}, 30)
    rng, n_beyond = np.random.default_rng(5), 0
    for _ in range(300):
        drawn = np.where(rng.random((60, 1)) < 0.1, np.nan, rng.normal(40, 10, (60, 1)))
        n_beyond += baseline.stability_index(baseline.count(drawn))[0] > features["age"]["chance"]
    assert 0 < n_beyond <= 30


def test_a_larger_index_has_a_longer_bar_and_an_alarm_has_its_colour(training, tmp_path):
    recent = write(tmp_path / "recent.csv", rows(600, 1, ("Rom",), shift=30), HEADER)
    page = tmp_path / "drift.html"
    _, features = found(run(training, recent, "--json", "--html", page))
    text = page.read_text()
    assert '<div class="alarm large">' in text
    bars = dict(re.findall(r'class="bar large" style="--share:([0-9.]+)".*?>([0-9.]+) <', text))
    shown = sorted((float(psi), float(share)) for share, psi in bars.items())
    assert len(shown) == 2
    assert shown[0][1] < shown[1][1] == 1
    assert shown[1][0] == pytest.approx(max(f["psi"] for f in features.values()), abs=1e-3)


def test_the_exit_code_tells_of_drift(training, tmp_path):
    recent = write(tmp_path / "recent.csv", rows(600, 1, shift=30), HEADER)
    result = run(training, recent, "--fail-above", "0.25")
    assert result.exit_code == 1
    assert "is above 0.25" in result.stderr
    assert run(training, training, "--fail-above", "0.25").exit_code == 0


def test_a_model_stands_for_its_training_rows(tmp_path, iris, iris_forest):
    """Then the predicted classes are compared, too."""
    model = save_model(tmp_path / "model", iris_forest, iris[0], has_baseline=True)
    document, features = found(run(model, IRIS, "--json"))
    assert all(abs(feature["psi"]) < 1e-9 for feature in features.values())
    assert document["prediction"]["psi"] == pytest.approx(0)
    setosa = tmp_path / "setosa.csv"
    setosa.write_text("".join(f"{line}\n" for line in IRIS.read_text().split()[:50]))
    document, _ = found(run(model, setosa, "--json"))
    assert document["prediction"]["reading"] == "large"
    assert document["prediction"]["bins"][2]["values"] == "setosa"
    assert document["prediction"]["bins"][2]["recent"] == 1
    assert run(model, setosa, "--fail-above", "0.25").exit_code == 1


def test_a_model_without_a_baseline_says_what_to_do(model_dir):
    result = run(model_dir, IRIS)
    assert result.exit_code == 2
    assert "train it again, or give the CSV file" in result.stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "has as many values; expected 3"),
        ("1,2\n", "has as many values; expected 3"),
        ("age,city,is_new\n", "there is no row"),
        ("1,Bern,true\nx,Bern,true\n", "row 2"),
        ("1,Bern,true\n1,Bern,perhaps\n", "row 2"),
        ("age,city\n1,Bern\n", "expected 3"),
    ],
    ids=["empty", "narrow", "header-alone", "word", "no-boolean", "column-missing"],
)
def test_rows_that_do_not_fit_are_refused_by_their_place(training, tmp_path, content, message):
    recent = tmp_path / "recent.csv"
    recent.write_text(content)
    result = run(training, recent)
    assert result.exit_code == 2, result.output
    assert str(recent) in result.stderr
    assert message in result.stderr


def test_the_page_stands_alone_and_escapes_what_comes_from_outside(tmp_path):
    header = ["bought", "<script>alert(1)</script>", "city", "is_new"]
    training = write(tmp_path / "a.csv", rows(600, 0), header)
    recent = write(tmp_path / "b.csv", rows(600, 1, ("<b>", "Rom", "Wien"), 30), header)
    page = tmp_path / "drift.html"
    assert run(training, recent, "--html", page).exit_code == 0
    text = page.read_text()
    assert text.startswith("<!DOCTYPE html>")
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert "<b>" not in text
    assert not re.search(r"(src|href)=\"(?!#|data:,)", text)
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []

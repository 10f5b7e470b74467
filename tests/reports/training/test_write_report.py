"""The report of a job: the page as a browser parses it, and metrics.json as strict JSON."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn import metrics
from sklearn.calibration import calibration_curve
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.inspection import partial_dependence, permutation_importance

from mlserver_forest.errors import InvalidEnvironment
from mlserver_forest.evaluation.quality_metrics import evaluate
from mlserver_forest.reports.html.number_format import number, percent
from mlserver_forest.reports.training.facts import EvaluationRows, Facts
from mlserver_forest.reports.training.importances import importances
from mlserver_forest.reports.training.leaderboard import Contestant, Leaderboard
from mlserver_forest.reports.training.partial_dependence import dependences
from mlserver_forest.reports.training.write_report import warnings_of, write_report
from mlserver_forest.schema.categories import BOOLEAN, Categories

NAN = np.nan
VOID = {"meta", "link", "br", "path", "use", "rect"}
SECTIONS = ["Warnings", "Metrics", "Feature importances", "Data", "Settings"]
# These are left out where there is nothing to show.
DEPENDENCE, SEGMENTS, CURVE = (
    "Partial dependence",
    "Segments with the worst errors",
    "Learning curve",
)
OF_CLASSES = ["Confusion matrix", "ROC and precision-recall", "Calibration"]
OF_NUMBERS = ["Predictions and residuals"]


class Page(HTMLParser):
    """The elements of a page, of which every one must be closed where it should be."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.texts, self._open = [], [], []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        assert len(dict(attrs)) == len(attrs), f"{tag} has an attribute twice"
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self._open.pop() == tag

    def handle_data(self, data):
        self.texts.append((self._open[-1] if self._open else None, data))

    def attributes(self, name):
        return [found[name] for _, found in self.elements if name in found]

    def all(self, tag):
        return [found for name, found in self.elements if name == tag]

    def within(self, tag):
        return [text for parent, text in self.texts if parent == tag]


def sections(middle, *shown):
    return SECTIONS[:2] + middle + SECTIONS[2:3] + list(shown) + SECTIONS[3:]


def shares(x, n_classes):
    """Probabilities that depend on the first feature and nothing else."""
    first = np.nan_to_num(x[:, 0].astype(np.float64), posinf=0, neginf=0)
    angles = first[:, None] % 7 + np.arange(n_classes)
    found = np.exp(np.sin(angles))
    return found / found.sum(axis=1, keepdims=True)


def answering(kind, n_classes):
    if kind == "classification":
        return lambda x: shares(x, n_classes)
    return lambda x: shares(x, 2)[:, 0] * 3


FILES = ["constraints.json", "metrics.json", "report.html", "statistics.json"]


def facts_of(x, y, kind="classification", classes=("no", "yes"), **more):
    predict = more.pop("predict", answering(kind, len(classes)))
    answers = predict(x)
    facts = Facts(
        model="random_forest",
        title="Random forest",
        unit="trees",
        kind=kind,
        classes=classes,
        hyperparameters={"n_estimators": 5, "max_depth": None, "max_features": "sqrt"},
        versions={"mlserver-forest": "1.2.3"},
        names=more.pop("names", [f"f{i}" for i in range(x.shape[1])]),
        categories=more.pop("categories", {}),
        x=x,
        y=y,
        predict=predict,
        metrics={"validation": evaluate(answers, y, kind, classes)},
        sets={"validation": (y, answers)},
    )
    return replace(facts, **more)


def fitted(iris, n_classes=3, kind="classification"):
    """A real forest on real rows, every second one held out."""
    x, labels = iris
    classes = tuple(sorted(set(labels)))[:n_classes]
    codes = np.searchsorted(sorted(set(labels)), labels)
    x, codes = x[codes < n_classes].astype(np.float32), codes[codes < n_classes]
    y = codes if kind == "classification" else x[:, 2].astype(np.float64)
    features = x if kind == "classification" else x[:, [0, 1, 3]]
    forest = {"classification": RandomForestClassifier, "regression": RandomForestRegressor}[kind]
    model = forest(10, max_depth=3, random_state=0).fit(features[::2], y[::2])
    predict = model.predict_proba if kind == "classification" else model.predict
    held = features[1::2], y[1::2]
    curve = [(n, {"train:log_loss": 1 / n, "validation:log_loss": 0.5 + 1 / n}) for n in (1, 5, 10)]
    facts = facts_of(
        features[::2],
        y[::2],
        kind,
        classes if kind == "classification" else (),
        predict=predict,
        sets={"train": (y[::2], predict(features[::2])), "validation": (held[1], predict(held[0]))},
        held_out={"validation": held},
        impurity_importances=model.feature_importances_,
        curve=curve,
        files=("train/a.csv",),
    )
    return facts, model


def written(directory, facts):
    write_report(directory, facts)
    assert sorted(path.name for path in directory.iterdir()) == FILES

    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    text = (directory / "metrics.json").read_text()
    page = (directory / "report.html").read_text()
    return Page(page), json.loads(text, parse_constant=refuse), page


@pytest.mark.parametrize(
    ("kind", "n_classes"), [("classification", 2), ("classification", 3), ("regression", 3)]
)
def test_a_page_is_whole_and_of_one_piece(tmp_path, iris, kind, n_classes):
    facts, _ = fitted(iris, n_classes, kind)
    page, _, text = written(tmp_path, facts)
    middle = OF_CLASSES if kind == "classification" else OF_NUMBERS
    assert page.within("h2") == sections(middle, DEPENDENCE, SEGMENTS, CURVE)
    assert len(page.all("h1")) == len(page.all("main")) == len(page.all("title")) == 1
    assert page.all("html") == [{"lang": "en"}]
    identifiers = page.attributes("id")
    assert len(identifiers) == len(set(identifiers))
    links = [link for link in page.attributes("href") if link != "data:,"]
    referred = [link.removeprefix("#") for link in links] + re.findall(r"url\(#([^)]+)\)", text)
    assert set(referred) <= set(identifiers)
    assert len(page.all("nav")) == 1


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_a_page_asks_for_nothing_from_outside(tmp_path, iris, kind):
    page, _, text = written(tmp_path, fitted(iris, 3, kind)[0])
    assert page.attributes("src") == []
    assert {link[0] for link in page.attributes("href")} == {"#", "d"}
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "img", "iframe", "object", "embed", "base"}
    assert "http" not in text
    assert "@import" not in text
    assert set(re.findall(r"url\((.)", text)) <= {"#"}


def test_those_who_do_not_see_are_told_what_the_plots_show(tmp_path, iris):
    page, _, _ = written(tmp_path, fitted(iris)[0])
    plots = [found for found in page.all("svg") if "aria-hidden" not in found]
    assert len(plots) > 10
    for found in plots:
        assert found["role"] == "img"
        assert len(found["aria-label"]) > 10
    assert len(page.all("caption")) == len(page.all("table")) > 5
    assert all(found["scope"] in {"row", "col"} for found in page.all("th"))


def test_plots_take_the_pages_colours_and_font(tmp_path, iris):
    for n_classes, kind in ((2, "classification"), (3, "classification"), (3, "regression")):
        _, _, text = written(tmp_path / kind / str(n_classes), fitted(iris, n_classes, kind)[0])
        plots = re.findall(r'<svg class="plot".*?</svg>', text, re.DOTALL)
        assert plots
        for plot in plots:
            assert set(re.findall(r"(?:fill|stroke): (#\w+|\w+\(?)", plot)) <= {"var(", "none"}
            assert "font-family" not in plot
            assert "DejaVu" not in plot
        assert set(re.findall(r"var\((--[a-z]+)\)", "".join(plots))) == {
            "--accent",
            "--muted",
            "--rule",
        }


def test_a_dark_theme_and_print_have_colours_of_their_own(tmp_path, iris):
    _, _, text = written(tmp_path, fitted(iris)[0])
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)[1]
    assert "prefers-color-scheme: dark" in style
    assert "@media print" in style
    assert len(re.findall(r"--accent: #[0-9a-f]{6}", style)) == 3


def test_numbers_at_the_axes_are_whole(tmp_path, iris):
    """Coordinates are cut to hundredths, but 0.972 at an axis is not 0.97."""
    curve = [(n, {"validation:accuracy": value}) for n, value in ((1, 0.97), (2, 0.985))]
    page, _, _ = written(tmp_path, replace(fitted(iris)[0], curve=curve))
    assert {"0.970", "0.972", "0.974"} <= {text.strip() for text in page.within("text")}


def test_the_same_facts_give_the_same_bytes_whatever_matplotlib_was_told(tmp_path, iris):
    facts, _ = fitted(iris)
    write_report(tmp_path / "a", facts)
    with mpl.rc_context({"font.size": 40, "axes.facecolor": "red", "svg.hashsalt": "x"}):
        told = dict(mpl.rcParams)
        write_report(tmp_path / "b", fitted(iris)[0])
        assert dict(mpl.rcParams) == told
    for name in ("report.html", "metrics.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_names_and_words_from_outside_are_text(tmp_path):
    names = ["<script>alert(1)</script>", "a $x_1^ \" & '", "größe 是 \u202e", "x" * 500, "a\x00b"]
    rng = np.random.default_rng(0)
    x = np.column_stack([rng.normal(size=(60, 4)), np.arange(60) % 2]).astype(np.float32)
    facts = facts_of(
        x,
        np.arange(60) % 2,
        classes=("<img src=x onerror=alert(1)>", "</table>"),
        names=names,
        categories={names[4]: Categories(("<b>bold</b>", "</td>"))},
        hyperparameters={"</code><i>": "<u>&"},
        versions={"<s>": "<s>"},
        files=("<a href=http://x>",),
        held_out={"validation": (x, np.arange(60) % 2)},
    )
    page, found, _ = written(tmp_path, facts)
    assert not {"script", "img", "i", "u", "s", "b"} & {tag for tag, _ in page.elements}
    words = page.within("bdi")
    for name in (names[0], names[1], *facts.classes, "<b>bold</b>", "<u>&", "<a href=http://x>"):
        assert name in words
    assert "x" * 79 + "…" in words
    assert "größe 是 \ufffd" in words
    assert "a\ufffdb" in words
    assert list(found["data"]["columns"]) == names
    assert list(found["hyperparameters"]) == ["</code><i>"]


def test_metrics_json_holds_what_the_page_shows(tmp_path, iris):
    facts, model = fitted(iris)
    _, found, _ = written(tmp_path, facts)
    assert list(found) == [
        "format",
        "model",
        "task",
        "classes",
        "hyperparameters",
        "versions",
        "metrics",
        "intervals",
        "decision",
        "warnings",
        "notes",
        "importances",
        "segments",
        "partial_dependence",
        "leaderboard",
        "data",
        "learning_curve",
        "plots",
    ]
    assert found["format"] == 1
    assert found["metrics"] == {p: dict(m) for p, m in facts.metrics.items()}
    assert found["hyperparameters"] == {
        "n_estimators": 5,
        "max_depth": None,
        "max_features": "sqrt",
    }
    assert [f"{w['title']}: {w['text']}" for w in found["warnings"]] == list(warnings_of(facts))
    importance = [f["impurity"] for f in found["importances"]["features"].values()]
    assert importance == model.feature_importances_.tolist()
    assert found["data"]["target"]["counts"] == {"setosa": 25, "versicolor": 25, "virginica": 25}
    assert found["data"]["columns"]["f0"]["n_distinct"] == len(np.unique(facts.x[:, 0]))
    assert found["learning_curve"][1] == {
        "n_trees": 5,
        "train:log_loss": 0.2,
        "validation:log_loss": 0.7,
    }


def test_plots_of_classes_show_what_scikit_learn_computes(tmp_path, iris):
    facts, _ = fitted(iris)
    y, answers = facts.sets["validation"]
    plots = written(tmp_path, facts)[1]["plots"]
    assert plots["rows"] == "validation"
    told = answers.argmax(axis=1)
    assert plots["confusion"]["counts"] == metrics.confusion_matrix(y, told).tolist()
    for code, (roc, pr) in enumerate(zip(plots["roc"], plots["precision_recall"], strict=True)):
        false, true, _ = metrics.roc_curve(y == code, answers[:, code])
        assert (roc["x"], roc["y"]) == (false.tolist(), true.tolist())
        assert roc["area"] == metrics.roc_auc_score(y == code, answers[:, code])
        assert pr["area"] == metrics.average_precision_score(y == code, answers[:, code])
    found, mean = calibration_curve(told == y, answers.max(axis=1), n_bins=10)
    assert plots["reliability"]["found"] == pytest.approx(found)
    assert plots["reliability"]["told"] == pytest.approx(mean)
    assert sum(plots["reliability"]["counts"]) == len(y)


def test_a_binary_reliability_curve_is_of_the_second_class(tmp_path):
    rng = np.random.default_rng(3)
    told = rng.random(500)
    y = (rng.random(500) < told**2).astype(int)
    facts = facts_of(
        rng.normal(size=(500, 2)), y, sets={"oob": (y, np.column_stack([1 - told, told]))}
    )
    plots = written(tmp_path, facts)[1]["plots"]
    found, mean = calibration_curve(y, told, n_bins=10)
    assert plots["reliability"]["found"] == pytest.approx(found)
    assert plots["reliability"]["told"] == pytest.approx(mean)
    assert [curve["label"] for curve in plots["roc"]] == ["yes"]


def test_long_curves_are_thinned_along_their_length(tmp_path):
    rng = np.random.default_rng(3)
    y = rng.integers(0, 2, 20_000)
    score = np.clip(y * 0.2 + rng.random(20_000) * 0.8, 0, 1)
    facts = facts_of(
        rng.normal(size=(20_000, 2)), y, sets={"test": (y, np.column_stack([1 - score, score]))}
    )
    (roc,) = written(tmp_path, facts)[1]["plots"]["roc"]
    assert 100 < len(roc["x"]) <= 150
    assert (roc["x"][0], roc["y"][0], roc["x"][-1], roc["y"][-1]) == (0, 0, 1, 1)
    assert np.trapezoid(roc["y"], roc["x"]) == pytest.approx(roc["area"], abs=2e-3)


def test_residuals_are_those_of_the_answers(tmp_path, iris):
    facts, _ = fitted(iris, kind="regression")
    y, told = facts.sets["validation"]
    plots = written(tmp_path, facts)[1]["plots"]
    left = y - told
    assert plots["residuals"] == np.histogram(left, 31)[0].tolist()
    assert (plots["low"], plots["high"]) == (left.min(), left.max())
    assert plots["middle"] == np.median(left)
    assert plots["errors"][90] == np.quantile(np.abs(left), 0.9)


def test_permutation_importances_are_scikit_learns_but_for_chance(iris):
    for kind in ("classification", "regression"):
        facts, model = fitted(iris, kind=kind)
        found = importances(facts)
        x, y = facts.held_out["validation"]
        expected = permutation_importance(model, x, y, n_repeats=50, random_state=0)
        assert (found.prefix, found.n_rows) == ("validation", len(y))
        assert np.abs(found.permutation - expected.importances_mean).max() < 0.1
        assert found.ranking()[0] == expected.importances_mean.argmax()


def test_partial_dependence_is_that_of_scikit_learn(iris):
    facts, model = fitted(iris)
    found = dependences(facts, importances(facts))
    assert len(found.features) >= 2
    assert found.classes == (0, 1, 2)
    for one in found.features:
        column = facts.names.index(one.feature)
        grid = {column: one.values.astype(facts.x.dtype)}
        expected = partial_dependence(model, facts.x, [column], custom_values=grid, method="brute")
        assert one.averages.T.tolist() == [
            pytest.approx(line, abs=1e-6) for line in expected["average"].tolist()
        ]


def test_the_segments_that_are_predicted_badly_are_found_and_importances_are_of_unseen_rows(
    tmp_path,
):
    """A year in which the model errs, a word, and missing numbers; nothing else is listed."""
    rng = np.random.default_rng(0)
    x = np.column_stack(
        [rng.integers(2001, 2005, 800), rng.integers(0, 3, 800), rng.normal(size=800)]
    ).astype(np.float64)
    x[::4, 2] = NAN
    y = x[:, 0] - 2000
    words = {"f1": Categories(("a", "b", "c"))}
    facts = numbers(y, predict=lambda x: x[:, 0] - 2000, names=["year", "f1", "f2"])
    unseen = EvaluationRows(
        "validation",
        x,
        y,
        lambda x: (
            x[:, 0] - 2000 + 4.0 * (x[:, 0] == 2003) + 2.0 * (x[:, 1] == 1) + np.isnan(x[:, 2])
        ),
    )
    page, found, _ = written(
        tmp_path, replace(facts, x=x, categories=words, trial=unseen, metrics={})
    )
    worst = [(one["feature"], one["values"]) for one in found["segments"]["worst"]]
    assert worst == [("year", "2003"), ("f1", "b"), ("f2", "missing")]
    inside = x[:, 0] == 2003
    expected = np.abs(y - unseen.predict(x))[inside].mean()
    assert found["segments"]["worst"][0]["error"] == pytest.approx(expected)
    assert found["importances"]["rows"] == "validation"
    assert found["importances"]["n_rows"] == 800
    text = " ".join(page.within("p"))
    assert "800 validation rows (predicted by a model that was fitted without them)" in text
    cells = page.within("td") + page.within("bdi")
    assert {"2001", "2003", "2004"} <= {cell.strip() for cell in cells}
    assert not [cell for cell in cells if "2,00" in cell]


def test_a_leaderboard_has_the_best_first(tmp_path, iris):
    facts, _ = fitted(iris)
    found = Leaderboard.ranked(
        "log_loss",
        [
            Contestant("XGBoost", (0.3, 0.5), 2.0),
            Contestant("<b>", (NAN, 0.1), 1.0),
            Contestant("LightGBM", (0.2, 0.4), 9.0),
        ],
    )
    page, written_json, _ = written(tmp_path, replace(facts, leaderboard=found))
    names = [one["algorithm"] for one in written_json["leaderboard"]["algorithms"]]
    assert names == ["LightGBM", "XGBoost", "<b>"]
    assert written_json["leaderboard"]["algorithms"][0]["mean"] == pytest.approx(0.3)
    assert written_json["leaderboard"]["chosen"] == "LightGBM"
    assert "Leaderboard" in page.within("h2")
    assert "0.3000 " in page.within("span")
    assert Leaderboard.ranked("accuracy", found.contestants[:2]).chosen == "XGBoost"


def test_a_feature_that_the_model_does_not_read_has_no_importance():
    x = np.random.default_rng(0).normal(size=(100, 3)).astype(np.float32)
    found = importances(facts_of(x, np.arange(100) % 2))
    assert found.permutation[1:].tolist() == [0, 0]
    assert found.impurity is None
    assert found.prefix == "train"


def test_the_rows_that_are_predicted_are_bounded():
    predicted = []

    def predict(x):
        predicted.append(len(x))
        return shares(x, 2)

    x = np.random.default_rng(0).normal(size=(5000, 300)).astype(np.float32)
    facts = facts_of(x, np.arange(5000) % 2, predict=predict)
    predicted.clear()
    found = importances(facts)
    assert sum(predicted) <= 2_000 + 30 * 5 * 2_000
    assert np.isfinite(found.permutation).sum() == 30


def test_many_classes_are_merged_to_those_that_are_frequent(tmp_path):
    rng = np.random.default_rng(0)
    y = np.minimum(rng.geometric(0.05, 3000) - 1, 99)
    x = rng.normal(size=(3000, 2)).astype(np.float32)
    classes = tuple(range(100))
    page, found, _ = written(tmp_path, facts_of(x, y, classes=classes))
    assert "89 classes are merged" in "".join(page.within("caption"))
    assert sum(cell.get("class") == "right" for cell in page.all("td")) == 11
    confusion = found["plots"]["confusion"]
    frequent = np.sort(np.argsort(-np.bincount(y), kind="stable")[:11])
    assert confusion["labels"] == [*map(str, frequent), "all others"]
    assert confusion["n_merged"] == 89
    assert np.sum(confusion["counts"]) == 3000
    assert [sum(row) for row in confusion["counts"]][:-1] == np.bincount(y)[frequent].tolist()
    assert len(found["plots"]["roc"]) == 10


def wide():
    x = np.random.default_rng(0).normal(size=(200, 3000)).astype(np.float32)
    return facts_of(x, np.arange(200) % 2)


def numbers(y, **more):
    x = np.random.default_rng(0).normal(size=(len(y), 2))
    return facts_of(x, np.array(y, np.float64), "regression", (), **more)


ODD = {
    "one row": lambda: facts_of(np.ones((1, 1), np.float32), np.array([1])),
    "one row, a number": lambda: numbers([3.5]),
    "one class in validation": lambda: facts_of(
        np.ones((30, 1)),
        np.arange(30) % 2,
        sets={"validation": (np.zeros(4, int), shares(np.ones((4, 1)), 2))},
    ),
    "no rows in validation": lambda: facts_of(
        np.ones((30, 1)),
        np.arange(30) % 2,
        sets={"validation": (np.zeros(0, int), np.zeros((0, 2)))},
        metrics={"validation": {}},
        held_out={"validation": (np.zeros((0, 1)), np.zeros(0, int))},
    ),
    "nothing held out": lambda: facts_of(np.ones((3, 1)), np.array([0, 1, 1]), sets={}, metrics={}),
    "constant target": lambda: numbers([2.0] * 60),
    "constant target, exact answers": lambda: numbers(
        [2.0] * 60, predict=lambda x: np.full(len(x), 2.0)
    ),
    "huge numbers": lambda: numbers(np.linspace(-1e150, 1e150, 60)),
    "tiny range": lambda: numbers([1.0] * 30 + [np.nextafter(1, 2)] * 30),
    "features at the ends of float64": lambda: facts_of(
        np.array([[1.7e308, 5e-324], [-1.7e308, -5e-324]] * 30), np.arange(60) % 2
    ),
    "features at the ends of float32": lambda: facts_of(
        np.array([[3.4e38, 1e-45], [-3.4e38, NAN]] * 30, np.float32), np.arange(60) % 2
    ),
    "nothing but missing values": lambda: facts_of(np.full((60, 3), NAN), np.arange(60) % 2),
    "words that are all missing": lambda: facts_of(
        np.full((60, 1), NAN), np.arange(60) % 2, categories={"f0": Categories(("a",))}
    ),
    "booleans": lambda: facts_of(
        np.ones((60, 1)), np.arange(60) % 2, categories={"f0": BOOLEAN}, classes=(False, True)
    ),
    "3,000 features": wide,
    "500 classes": lambda: facts_of(
        np.random.default_rng(0).normal(size=(2000, 2)),
        np.arange(2000) % 500,
        classes=tuple(f"class {i}" for i in range(500)),
    ),
    "classes without a row": lambda: facts_of(
        np.ones((60, 1)), np.zeros(60, int), classes=("a", "b", "c")
    ),
    "importances that are no numbers": lambda: facts_of(
        np.ones((60, 2)), np.arange(60) % 2, impurity_importances=np.full(2, NAN)
    ),
    "metrics that are no numbers": lambda: facts_of(
        np.ones((60, 2)),
        np.arange(60) % 2,
        metrics={"validation": {"accuracy": NAN, "log_loss": np.inf, "own": 3.0}},
        curve=[(1, {"validation:log_loss": NAN}), (2, {"validation:log_loss": np.inf})],
    ),
    "a long curve without prefixes": lambda: facts_of(
        np.ones((60, 2)), np.arange(60) % 2, curve=[(n, {"rmse": 1 / n}) for n in range(1, 5000)]
    ),
    "every set": lambda: facts_of(
        np.ones((60, 2)),
        np.arange(60) % 2,
        curve=[
            (n, {f"{p}:f1": n / 9 for p in ("train", "validation", "test", "oob", "own", "other")})
            for n in (1, 2)
        ],
        weight=np.ones(60),
    ),
    "names with lone surrogates": lambda: facts_of(
        np.ones((60, 1)), np.arange(60) % 2, names=["\ud800"], files=("\udcff",)
    ),
    "values of any kind": lambda: facts_of(
        np.ones((60, 1)),
        np.arange(60) % 2,
        hyperparameters={"a": {1: np.float32(2)}, "b": [np.int64(1), NAN], "c": object},
    ),
}


@pytest.mark.parametrize("case", ODD)
def test_odd_data_are_reported_all_the_same(tmp_path, case):
    facts = ODD[case]()
    page, found, _ = written(tmp_path, facts)
    middle = [] if facts.plotted_set is None else OF_CLASSES if facts.classes else OF_NUMBERS
    shown = [DEPENDENCE] if found["partial_dependence"]["features"] else []
    shown += [] if found["segments"] is None else [SEGMENTS]
    shown += [CURVE] if "curve" in case or case == "every set" else []
    assert page.within("h2") == sections(middle, *shown)
    assert found["data"]["n_rows"] == len(facts.y)
    assert len(found["data"]["columns"]) == len(facts.names)
    assert all(isinstance(warning, str) for warning in warnings_of(facts))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_report_can_be_written_for_any_table(tmp_path_factory, data):
    width = data.draw(st.sampled_from([32, 64]))
    dtype = {32: np.float32, 64: np.float64}[width]
    shape = data.draw(st.tuples(st.integers(1, 70), st.integers(1, 3)))
    values = st.floats(width=width, allow_infinity=False) | st.sampled_from([0.0, 1.0, NAN])
    x = data.draw(arrays.arrays(dtype, shape, elements=values))
    if data.draw(st.booleans()):
        n_classes = data.draw(st.integers(2, 13))
        y = data.draw(arrays.arrays(np.int64, shape[0], elements=st.integers(0, n_classes - 1)))
        facts = facts_of(x, y, classes=tuple(range(n_classes)))
    else:
        targets = st.floats(-1e150, 1e150) | st.sampled_from([0.0, 1.0])
        y = data.draw(arrays.arrays(np.float64, shape[0], elements=targets))
        facts = facts_of(x, y, "regression", ())
    written(tmp_path_factory.mktemp("data"), facts)


def test_earlier_files_are_replaced_and_readable(tmp_path, iris):
    for name in FILES:
        (tmp_path / name).write_text("old")
    written(tmp_path, fitted(iris)[0])
    for path in tmp_path.iterdir():
        assert path.stat().st_mode & 0o777 == 0o644
        assert path.read_text() != "old"


def test_a_folder_that_cannot_be_written_is_named(tmp_path, iris):
    (tmp_path / "data").write_text("a file")
    with pytest.raises(InvalidEnvironment, match=r"the report's folder .*/data cannot be written"):
        write_report(tmp_path / "data", fitted(iris)[0])


def test_matplotlib_is_loaded_by_writing_alone_and_pyplot_never(tmp_path):
    script = f"""
import sys
from pathlib import Path
import numpy as np
from mlserver_forest.reports.training.facts import Facts
from mlserver_forest.reports.training.write_report import write_report
print([name for name in sys.modules if name.startswith("matplotlib")])
x = np.arange(60.0)[:, None]
facts = Facts("random_forest", "Random forest", "trees", "regression", (), {{}}, {{}}, ["a"], {{}},
              x, x[:, 0] ** 2,
              lambda rows: rows[:, 0], sets={{"test": (x[:, 0], x[:, 0])}})
write_report(Path({str(tmp_path)!r}), facts)
print("matplotlib.figure" in sys.modules, "matplotlib.pyplot" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["[]", "True False"]
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (-3, "\N{MINUS SIGN}3"),
        (1234567, "1,234,567"),
        (0.5, "0.5"),
        (14.1272, "14.13"),
        (-1234.56, "\N{MINUS SIGN}1,235"),
        (0.00089479, "0.0008948"),
        (9.99996, "10"),
        (1.5e-9, "1.500e\N{MINUS SIGN}09"),
        (-2.5e150, "\N{MINUS SIGN}2.500e+150"),
        (NAN, "\N{EN DASH}"),
    ],
)
def test_numbers_are_shown_with_four_figures(value, shown):
    assert number(value) == shown


@pytest.mark.parametrize(
    ("share", "shown"),
    [(0, "0.0 %"), (0.0001, "< 0.1 %"), (0.25, "25.0 %"), (0.9999, "> 99.9 %"), (1, "100.0 %")],
)
def test_a_share_is_never_rounded_to_none_or_all(share, shown):
    assert percent(share).replace("\u00a0", " ") == shown

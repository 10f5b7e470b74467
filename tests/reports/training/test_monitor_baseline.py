"""Model Monitor's baseline: its documented form, and pandas' figures."""

import json

import jsonschema
import numpy as np
import pandas as pd
import pytest

from mlserver_forest.reports.training.facts import Facts
from mlserver_forest.reports.training.monitor_baseline import constraints, statistics
from mlserver_forest.schema.categories import BOOLEAN, Categories

WORDS = ("Bern", "Rom", "Wien")
NUMBER, COUNT = {"type": "number"}, {"type": "integer", "minimum": 0}


def closed(required, **optional):
    """An object of these members and no others."""
    return {
        "type": "object",
        "properties": {**required, **optional},
        "required": list(required),
        "additionalProperties": False,
    }


def listed(items):
    return {"type": "array", "items": items}


COMMON = closed({"num_present": COUNT, "num_missing": COUNT})
KLL = closed(
    {
        "buckets": listed(closed({"lower_bound": NUMBER, "upper_bound": NUMBER, "count": COUNT})),
        "sketch": closed(
            {
                "parameters": closed({"c": NUMBER, "k": NUMBER}),
                "data": listed(listed(NUMBER)),
            }
        ),
    }
)
NUMERICAL = closed(
    {
        "common": COMMON,
        **dict.fromkeys(("mean", "sum", "std_dev", "min", "max"), NUMBER),
        "distribution": closed({"kll": KLL}),
    }
)
STRINGS = closed(
    {
        "common": COMMON,
        "distinct_count": COUNT,
        "distribution": closed(
            {
                "categorical": closed(
                    {"buckets": listed(closed({"value": {"type": "string"}, "count": COUNT}))}
                )
            }
        ),
    }
)
NAME = {"type": "string"}
STATISTICS = closed(
    {
        "version": {"const": 0},
        "dataset": closed({"item_count": COUNT}),
        "features": listed(
            {
                "oneOf": [
                    closed(
                        {
                            "name": NAME,
                            "inferred_type": {"enum": ["Integral", "Fractional"]},
                            "numerical_statistics": NUMERICAL,
                        }
                    ),
                    closed(
                        {
                            "name": NAME,
                            "inferred_type": {"enum": ["String", "Unknown"]},
                            "string_statistics": STRINGS,
                        }
                    ),
                ]
            }
        ),
    }
)
SWITCH = {"enum": ["Enabled", "Disabled"]}
CONSTRAINTS = closed(
    {
        "version": {"const": 0},
        "features": listed(
            closed(
                {
                    "name": NAME,
                    "inferred_type": {"enum": ["Integral", "Fractional", "String", "Unknown"]},
                    "completeness": {"type": "number", "minimum": 0, "maximum": 1},
                },
                num_constraints=closed({"is_non_negative": {"type": "boolean"}}),
                string_constraints=closed({"domains": listed({"type": "string"})}),
                monitoringConfigOverrides={"type": "object"},
            )
        ),
        "monitoring_config": closed(
            {
                "evaluate_constraints": SWITCH,
                "emit_metrics": SWITCH,
                "datatype_check_threshold": NUMBER,
                "domain_content_threshold": NUMBER,
                "distribution_constraints": closed(
                    {
                        "perform_comparison": SWITCH,
                        "comparison_threshold": NUMBER,
                        "comparison_method": {"enum": ["Simple", "Robust"]},
                        "categorical_comparison_threshold": NUMBER,
                        "categorical_drift_method": {"enum": ["LInfinity", "ChiSquared"]},
                    }
                ),
            }
        ),
    }
)


def facts_of(x, y, names, classes=(), categories=None, **hyperparameters):
    return Facts(
        model="random_forest",
        title="Random forest",
        unit="trees",
        kind="classification" if classes else "regression",
        classes=classes,
        hyperparameters=hyperparameters,
        versions={},
        names=names,
        categories=categories or {},
        x=x,
        y=y,
        predict=lambda rows: rows,
    )


def written(facts):
    """Both documents, valid, by feature."""
    documents = json.loads(statistics(facts)), json.loads(constraints(facts))
    for document, schema in zip(documents, (STATISTICS, CONSTRAINTS), strict=True):
        jsonschema.validate(document, schema)
    return [{f["name"]: f for f in document["features"]} for document in documents]


@pytest.fixture(scope="module")
def mixed():
    rng = np.random.default_rng(0)
    x = np.column_stack(
        [
            rng.normal(10, 3, 5000),
            rng.integers(-2, 9, 5000),
            rng.choice([0, 1, 1, 2], 5000),
            rng.integers(0, 2, 5000),
            np.full(5000, np.nan),
        ]
    )
    x[rng.random(x.shape) < 0.1] = np.nan
    y = rng.integers(0, 2, 5000)
    categories = {"city": Categories(WORDS), "is_new": BOOLEAN}
    names = ("size", "rooms", "city", "is_new", "empty")
    return facts_of(x, y, names, ("no", "yes"), categories, target="bought")


def test_the_figures_are_those_of_pandas(mixed):
    features, _ = written(mixed)
    frame = pd.DataFrame(mixed.x, columns=mixed.names)
    for name, kind in (("size", "Fractional"), ("rooms", "Integral")):
        found, column = features[name]["numerical_statistics"], frame[name]
        assert features[name]["inferred_type"] == kind
        assert found["common"] == {
            "num_present": column.count(),
            "num_missing": column.isna().sum(),
        }
        expected = (column.mean(), column.sum(), column.std(ddof=0), column.min(), column.max())
        assert [found[key] for key in ("mean", "sum", "std_dev", "min", "max")] == pytest.approx(
            expected
        )
        buckets = found["distribution"]["kll"]["buckets"]
        assert len(buckets) == 10
        assert sum(bucket["count"] for bucket in buckets) == column.count()
        counts = pd.cut(column, 10).value_counts(sort=False)
        if kind == "Fractional":
            assert [bucket["count"] for bucket in buckets] == counts.tolist()
        assert buckets[0]["lower_bound"] == column.min()
        assert buckets[-1]["upper_bound"] == column.max()
    city = features["city"]["string_statistics"]
    counts = frame.city.value_counts()
    assert city["distinct_count"] == 3
    assert city["common"]["num_missing"] == frame.city.isna().sum()
    assert city["distribution"]["categorical"]["buckets"] == [
        {"value": WORDS[int(code)], "count": count} for code, count in counts.items()
    ]


def test_the_sketch_stands_for_all_values(mixed):
    features, _ = written(mixed)
    kll = features["size"]["numerical_statistics"]["distribution"]["kll"]
    levels = kll["sketch"]["data"]
    assert max(map(len, levels)) <= kll["sketch"]["parameters"]["k"]
    values = np.concatenate([np.repeat(items, 2**level) for level, items in enumerate(levels)])
    known = mixed.x[~np.isnan(mixed.x[:, 0]), 0]
    assert len(values) == len(known)
    ranks = np.linspace(0.01, 0.99, 50)
    places = np.searchsorted(np.sort(known), np.quantile(values, ranks)) / len(known)
    assert places == pytest.approx(ranks, abs=0.002)


def test_the_constraints_are_what_training_saw(mixed):
    _, features = written(mixed)
    assert list(features) == ["bought", *mixed.names]
    assert features["bought"]["string_constraints"] == {"domains": ["no", "yes"]}
    assert features["city"]["string_constraints"] == {"domains": list(WORDS)}
    assert features["is_new"]["string_constraints"] == {"domains": ["false", "true"]}
    assert features["rooms"]["num_constraints"] == {"is_non_negative": False}
    assert features["rooms"]["completeness"] == 1 - np.isnan(mixed.x[:, 1]).mean()
    assert features["empty"] == {"name": "empty", "inferred_type": "Unknown", "completeness": 0}


@pytest.mark.parametrize(
    ("y", "classes", "kind"),
    [
        (np.array([0, 1, 0]), (3, 7), "Integral"),
        (np.array([0.5, 1, 2]), (), "Fractional"),
        (np.array([0, 1, 0]), (False, True), "String"),
    ],
    ids=["integers", "numbers", "booleans"],
)
def test_the_label_is_the_first_column(y, classes, kind):
    features, _ = written(facts_of(np.zeros((3, 1)), y, ("target",), classes))
    assert list(features) == ["target_label", "target"]
    assert features["target_label"]["inferred_type"] == kind
    if classes == (3, 7):
        assert features["target_label"]["numerical_statistics"]["max"] == 7


def test_a_constant_has_one_bucket():
    features, _ = written(facts_of(np.full((3, 1), 2.5), np.arange(3.0), ("a",)))
    assert features["a"]["numerical_statistics"]["distribution"]["kll"]["buckets"] == [
        {"lower_bound": 2.5, "upper_bound": 2.5, "count": 3}
    ]


def test_numbers_at_the_ends_of_float64_are_no_fault():
    """Their sum and deviation are no float64, hence null; the file is JSON all the same."""
    x = np.array([[-1.7e308], [1.7e308], [1.7e308], [1.7e308]])
    document = json.loads(statistics(facts_of(x, np.arange(4.0), ("a",))))
    found = document["features"][1]["numerical_statistics"]
    assert (found["sum"], found["std_dev"]) == (None, None)
    assert found["max"] == 1.7e308

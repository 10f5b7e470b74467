"""MLflow's own client and server, and this package between them."""

import pandas as pd
import pytest

from aws.account import empty_account


@pytest.fixture(scope="module")
def account(moto, tmp_path_factory):
    with empty_account(moto, tmp_path_factory.mktemp("account")) as found:
        yield found


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """Customers with numbers, words, true and false, and gaps; who has left is known."""
    folder = tmp_path_factory.mktemp("tables")
    rows = [
        {
            "tenure": None if n % 40 == 7 else n % 72,
            "monthly": 20 + (n * 37) % 100 + 0.25,
            "plan": None if n % 50 == 3 else ("basic", "plus", "pro")[n % 3],
            "paperless": bool(n % 2),
            "churn": "yes" if (n * 37) % 100 > n % 72 else "no",
        }
        for n in range(200)
    ]
    pd.DataFrame(rows).to_csv(folder / "churn.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def trained(mlflow, tracking_uri, tables):
    """What ``forest train`` says with a tracking server, and leaves in ml/."""
    words = ("train", "churn.csv", "--target", "churn", "-p", "n_estimators=10", "--out", "ml")
    return mlflow.run(
        "forest", *words, cwd=tables, MLFLOW_TRACKING_URI=tracking_uri,
        MLFLOW_EXPERIMENT_NAME="churn",
    )  # fmt: skip


def test_a_trained_model(trained):
    print(trained)

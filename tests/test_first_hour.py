"""Three tables that nobody here made go the whole way: train, look, score, evaluate, serve.

They are part of ``vega_datasets``: cars with names, gaps and years; the weather of a city by day;
and the people who died in a riot, with words, gaps, dates and names.
"""

import json
import shlex
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pytest
from vega_datasets import local_data

import mlserver_forest as mf
from forked_command import run_forked
from support import clean_environ, serving

TABLES = {
    "cars": ("cars", "Miles_per_Gallon", {"interval": 0.9, "dates": "expand"}),
    "weather": ("seattle_weather", "weather", {"dates": "expand"}),
    "riots": ("la_riots", "type", {"ignore": ["first_name", "last_name"]}),
}


def forest(folder, *words, code=0):
    done = run_forked("forest", *words, environ=clean_environ(), cwd=folder)
    assert done.returncode == code, done.stdout + done.stderr
    return done


@pytest.mark.parametrize("title", TABLES)
def test_a_table_goes_the_whole_way(title, tmp_path):
    name, target, options = TABLES[title]
    file = Path(getattr(local_data, name).filepath)
    is_json = file.suffix == ".json"
    frame = pd.DataFrame(json.loads(file.read_text())) if is_json else pd.read_csv(file)
    frame.to_csv(tmp_path / f"{title}.csv", index=False)
    words = ["train", f"{title}.csv", "--target", target, "-p", "n_estimators=20"]
    words += [word for column in options.get("ignore", ()) for word in ("--ignore", column)]
    words += ["-p", "dates=expand"] if "dates" in options else []
    words += ["--interval", "0.9"] if "interval" in options else []
    trained = run_forked("forest", *words, environ=clean_environ(), cwd=tmp_path)
    if trained.returncode:  # It says what has to be decided, with the command that decides it.
        trained = forest(tmp_path, *shlex.split(trained.stderr.splitlines()[-1])[1:])
    assert (tmp_path / "ml" / "output" / "data" / "report.html").exists()
    assert f"{title} predicts {target}" in forest(tmp_path, "inspect", "ml/model").stdout
    evaluated = forest(tmp_path, "evaluate", "ml/model", f"{title}.csv", "--target", target)
    assert ("rmse" if title == "cars" else "accuracy") in evaluated.stdout
    scored = ("predict", "ml/model", f"{title}.csv", "--out", "answers.csv", "--extra", "ignore")
    forest(tmp_path, *scored)

    model = mf.load(tmp_path / "ml" / "model")
    rows = pd.read_csv(tmp_path / f"{title}.csv")[list(model.schema.feature_names)]
    own = model.predict(rows)
    answers = pd.read_csv(tmp_path / "answers.csv").iloc[:, 0].to_numpy()
    assert list(map(str, answers)) == list(map(str, own.ravel()))
    explained = model.explain(rows.head(5))
    assert np.isfinite(explained.contributions).all()
    assert target in model._repr_html_()

    here = mf.train(frame, target=target, n_estimators=20, say=None, **options)
    assert here.predict(rows).ravel().tolist() == own.ravel().tolist()

    with serving(tmp_path / "ml" / "model") as server:
        body = rows.head(9).to_csv(index=False)
        response = httpx.post(
            f"{server.url}/invocations",
            content=body,
            headers={"content-type": "text/csv; header=present"},
        )
        assert response.text.splitlines() == list(map(str, own.ravel()[:9]))
        assert target in httpx.get(f"{server.url}/").text

"""The Flask app of AWS's sample container, for a pickled scikit-learn estimator."""

import io
import os

import flask
import joblib
import pandas as pd

app = flask.Flask(__name__)


class Scoring:
    model = None

    @classmethod
    def get_model(cls):
        """Loaded at the first request of each worker, as in the sample."""
        if cls.model is None:
            cls.model = joblib.load(os.environ["CLASSIC_MODEL"])
        return cls.model


@app.route("/ping", methods=["GET"])
def ping():
    status = 200 if Scoring.get_model() is not None else 404
    return flask.Response("\n", status, mimetype="application/json")


@app.route("/invocations", methods=["POST"])
def invocations():
    if flask.request.content_type != "text/csv":
        return flask.Response("This predictor only supports CSV data", 415, mimetype="text/plain")
    body = io.StringIO(flask.request.data.decode("utf-8"))
    predictions = Scoring.get_model().predict(pd.read_csv(body, header=None))
    out = io.StringIO()
    pd.DataFrame({"results": predictions}).to_csv(out, header=False, index=False)
    return flask.Response(out.getvalue(), 200, mimetype="text/csv")

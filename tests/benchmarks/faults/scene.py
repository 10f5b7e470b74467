"""What all faults share: the model, the questions with scikit-learn's answers, the load."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np

from .load import Load, Plan, get, post
from .server import serving

PING = get("/ping", right=b"")
READY = get("/v2/health/ready")
_PROBES_PER_SECOND = 50


@dataclass(frozen=True)
class Scene:
    """Where the faults happen.

    Attributes:
        support: ``tests.support``, under the name that it has where this runs.
        model_dir: of a classifier of iris flowers.
        rows: of iris, as text, one a flower.
        labels: scikit-learn's for each row.
        probabilities: the same.
        rate: the constant load, in requests per second.
        workers: of the server.
        kill_seconds: how long workers are killed.
        overload_seconds: how long an overload lasts, and slow clients stay.
        hang_variable: which tells the server when a worker counts as hung, with a value
            in seconds.
        soak_minutes: how long the mixed load lasts.
        launch: starts the server, as ``support.launch`` does; None for that.
    """

    support: ModuleType
    model_dir: Path
    rows: list[str]
    labels: list[str]
    probabilities: np.ndarray
    rate: float = 400.0
    workers: int = 2
    kill_seconds: float = 60.0
    overload_seconds: float = 10.0
    hang_variable: str = "FOREST_WORKER_TIMEOUT=5"
    soak_minutes: float = 20.0
    launch: Callable | None = None

    @classmethod
    def of_iris(cls, support, estimator, model_dir, **options):
        """Fit the estimator on the example, and save it."""
        lines = [line.split(",", 1) for line in support.IRIS.read_text().split()]
        rows = [row for _, row in lines]
        x = np.array([row.split(",") for row in rows], np.float32)
        estimator.fit(x, [label for label, _ in lines])
        support.save_model(model_dir, estimator, x)
        labels, probabilities = estimator.predict(x).tolist(), estimator.predict_proba(x)
        return cls(support, model_dir, rows, labels, probabilities, **options)

    @property
    def questions(self):
        """One per flower."""
        return self.questions_to("/invocations")

    def questions_to(self, path):
        return tuple(
            post(path, row.encode(), "text/csv", right=f"{label}\n".encode())
            for row, label in zip(self.rows, self.labels, strict=True)
        )

    def serving(self, *, model_dir=None, **options):
        """A server as ``server.serving`` gives it."""
        return serving(
            self.launch or self.support.launch,
            model_dir or self.model_dir,
            **{"MODEL_SERVER_WORKERS": str(self.workers), **options},
        )

    def load(self, server, questions=None, **options):
        """The constant load, not started."""
        options = {"rate": self.rate, **options}
        return Load(Plan(server.port, questions or self.questions, **options))

    def steady(self, server, seconds):
        """The counts of the constant load alone, for so long."""
        return self.load(server, seconds=seconds).run()


def pinging(server, *, ready=False, **options):
    """Ask /ping every 20 ms, on new connections; /v2/health/ready too."""
    questions = (PING, READY) if ready else (PING,)
    rate = _PROBES_PER_SECOND * len(questions)
    return Load(Plan(server.port, questions, rate=rate, fresh=1.0, **options))


def add_constant_load(row, counts):
    """What is demanded of a load that nothing disturbs, or that must not notice."""
    row.add("load", counts.summary(), "all right", counts.right == len(counts))
    row.zero("lost", counts.lost)
    row.zero("wrong", counts.wrong)
    row.add("sent late by at most", f"{1000 * counts.latest:.0f} ms")
    row.notes += counts.examples

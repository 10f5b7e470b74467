"""One fit on all hosts of a job: the argument of each algorithm's function for a cluster."""

from dataclasses import dataclass
from pkgutil import resolve_name

from mlserver_forest.training.cluster.job_cluster import JobCluster
from mlserver_forest.training.cluster.spread_rows import SpreadRows
from mlserver_forest.training.fitting.fit_result import FitResult
from mlserver_forest.training.fitting.fit_spec import FitSpec


@dataclass(frozen=True, eq=False)
class ClusterFit:
    """One fit.

    Attributes:
        cluster: the hosts.
        spec: what to fit.
        training: the rows to learn from.
        validation: the rows on which metrics are watched for early stopping, or None.
        kept_as: the fingerprint of the checkpoints, or None for no checkpoints.
    """

    cluster: JobCluster
    spec: FitSpec
    training: SpreadRows
    validation: SpreadRows | None
    kept_as: str | None


def fit_on_cluster(work: ClusterFit) -> FitResult:
    """Fit an estimator by its algorithm's function, or on the first host if it has none.

    Raises:
        InvalidData: if the training library refuses a host's rows.
    """
    function = work.spec.algorithm.cluster_fit_function
    if function is not None:
        result: FitResult = resolve_name(function)(work)
        return result
    # The first host has all rows; the others wait.
    validation = None if work.validation is None else work.validation.fetched()
    return work.cluster.here.fit(work.spec, work.training.here(), validation, work.kept_as)

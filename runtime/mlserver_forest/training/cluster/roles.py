"""The two roles of a host among several: the first leads the job, and the others assist."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from distributed import Client

from mlserver_forest.errors import InvalidData, InvalidEnvironment, JobError
from mlserver_forest.training.algorithms.registry import ALGORITHMS
from mlserver_forest.training.cluster.addresses import answers, await_host, own_address, resolved
from mlserver_forest.training.cluster.cluster_fit import ClusterFit, fit_on_cluster
from mlserver_forest.training.cluster.cluster_reading import read_on_cluster
from mlserver_forest.training.cluster.hosts import Hosts, OneHost
from mlserver_forest.training.cluster.job_cluster import JobCluster
from mlserver_forest.training.cluster.member import Member, Outcome
from mlserver_forest.training.cluster.node import STOP, Attendance, Node
from mlserver_forest.training.cluster.spread_rows import SpreadRows
from mlserver_forest.training.data.job_data import Data
from mlserver_forest.training.fitting.fit_result import FitResult
from mlserver_forest.training.fitting.fit_rows import AnyRows
from mlserver_forest.training.fitting.fit_spec import FitSpec

_SECONDS_TO_CLOSE = 5.0
_POLL_SECONDS = 0.1


def take_part(here: OneHost, train: Callable[[Hosts], None]) -> None:
    """Play this host's role in the job.

    Args:
        here: this host.
        train: runs the job; it is called on the first host only.

    Raises:
        JobError: on all hosts, with the reason why the job failed, or naming a host that is gone.
        InvalidEnvironment: naming a host that did not join.
    """
    if here.config.is_first:
        _lead(here, train)
    else:
        _assist(here)


def _lead(here: OneHost, train: Callable[[Hosts], None]) -> None:
    """Train with the help of the other hosts."""
    with _leading_node(here) as (member, node, attendance):
        client = Client(node.url, name="job", direct_to_workers=True)
        cluster = JobCluster(here, member, client, attendance)
        try:
            _await_others(cluster)
            _require_replicated_data(here)
            train(_ManyHosts(cluster))
        finally:
            cluster.end(_outcome_of(sys.exception()))
            client.close(_SECONDS_TO_CLOSE)


def _assist(here: OneHost) -> None:
    """Answer the first host's calls until it says that the job has ended."""
    first = here.config.hosts[0]
    scheduler = await_host(
        lambda: _open_address(first), lambda: f"host {first!r}, the first", here.say, here.stop
    )
    address = await_host(
        lambda: own_address(here.config, scheduler),
        lambda: f"the address of this host, {here.config.host!r}",
        here.say,
        here.stop,
    )
    member = Member(here)
    node = Node(member, address, scheduler)
    node.start()
    here.say(f"assists host {first!r}, whose log shows the progress of the job")
    # Only the first host knows whether there is a model.
    here.stop.has_a_model = True
    try:
        outcome = _await_end(here, member, node)
    finally:
        node.close()
    if outcome.is_our_fault:
        raise RuntimeError(outcome.reason)
    if outcome.reason:
        raise JobError(outcome.reason)
    here.say(f"host {first!r} has ended the job")


class _ManyHosts:
    """The hosts of a job behind one interface."""

    def __init__(self, cluster: JobCluster) -> None:
        self._cluster = cluster

    def read(self) -> Data:
        return read_on_cluster(self._cluster)

    def fit(
        self, spec: FitSpec, training: AnyRows, validation: AnyRows | None, kept_as: str | None
    ) -> FitResult:
        spec.estimator()  # It raises for unsuitable hyperparameters before other hosts are called.
        watched = None if validation is None else _spread(validation)
        return fit_on_cluster(ClusterFit(self._cluster, spec, _spread(training), watched, kept_as))


def _spread(rows: AnyRows) -> SpreadRows:
    if not isinstance(rows, SpreadRows):
        raise TypeError(f"{type(rows).__name__}; expected rows that all hosts know")
    return rows


@contextmanager
def _leading_node(here: OneHost) -> Iterator[tuple[Member, Node, Attendance]]:
    config = here.config
    address = await_host(
        lambda: own_address(config, None),
        lambda: f"the name of this host, {config.host!r}, to resolve",
        here.say,
        here.stop,
    )
    member, attendance = Member(here), Attendance(here.stop.request)
    node = Node(member, address, address, attendance)
    node.start()
    here.say(f"{len(config.hosts)} hosts train; this one leads, at {node.url}")
    try:
        yield member, node, attendance
    finally:
        node.close()


def _await_others(cluster: JobCluster) -> None:
    await_host(
        lambda: None if cluster.missing() else True,
        lambda: f"hosts {', '.join(map(repr, cluster.missing()))} to join",
        cluster.here.say,
        cluster.here.stop,
    )


def _require_replicated_data(here: OneHost) -> None:
    channel, algorithm = here.config.training_channel(), here.chosen.algorithm
    if channel.is_sharded and algorithm.cluster_fit_function is None:
        others = [row.name for row in ALGORITHMS.values() if row.cluster_fit_function is not None]
        raise InvalidData(
            f"channel {channel.name!r} is {channel.distribution}, so that each of the "
            f"{len(here.config.hosts)} hosts has a part of the rows, but {algorithm.name} learns "
            "on one host; set its S3DataDistributionType to FullyReplicated, or choose another "
            f"algorithm: {', '.join(others)}"
        )


def _outcome_of(error: BaseException | None) -> Outcome:
    if error is None:
        return Outcome()
    if isinstance(error, JobError | InvalidEnvironment):
        return Outcome(str(error))
    return Outcome(f"{type(error).__name__}: {error}", is_our_fault=True)


def _open_address(name: str) -> str | None:
    address = resolved(name)
    return address if address and answers(address) else None


def _await_end(here: OneHost, member: Member, node: Node) -> Outcome:
    has_sent_stop = False
    while (outcome := member.outcome(_POLL_SECONDS)) is None:
        if node.is_closed:
            # The first host's last message may have arrived just now.
            return member.outcome(1.0) or Outcome(
                f"host {here.config.hosts[0]!r}, the first, is gone: its process ended, or its "
                "network failed; its own log says more"
            )
        if here.stop.is_requested and not has_sent_stop:
            has_sent_stop = True
            node.log_event(STOP)
    return outcome

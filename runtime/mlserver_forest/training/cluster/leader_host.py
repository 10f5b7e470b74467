"""The first of several hosts: it runs the scheduler and the job, and tells how it ended."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from distributed import Client

from mlserver_forest.errors import InvalidData, InvalidEnvironment, JobError
from mlserver_forest.training.cluster.addresses import await_host, own_address
from mlserver_forest.training.cluster.many_hosts import ManyHosts
from mlserver_forest.training.cluster.member import Member, Outcome
from mlserver_forest.training.cluster.node import Attendance, Node
from mlserver_forest.training.cluster.one_host import Hosts, OneHost
from mlserver_forest.training.fitting.fit_spec import BOOSTERS, FORESTS

_SECONDS_TO_CLOSE = 5.0


def lead(here: OneHost, train: Callable[[Hosts], None]) -> None:
    """Train with the help of the other hosts.

    Raises:
        JobError: whatever ``train`` raised, or naming a host that is gone.
        InvalidEnvironment: naming a host that did not come.
    """
    with _node(here) as (member, node, attendance):
        client = Client(node.url, name="job", direct_to_workers=True)
        hosts = ManyHosts(here, member, client, attendance)
        try:
            _await_others(hosts, attendance)
            _require_replicated_data(here)
            train(hosts)
        finally:
            hosts.end(_outcome_of(sys.exception()))
            client.close(_SECONDS_TO_CLOSE)


def _outcome_of(error: BaseException | None) -> Outcome:
    if error is None:
        return Outcome()
    if isinstance(error, JobError | InvalidEnvironment):
        return Outcome(str(error))
    return Outcome(f"{type(error).__name__}: {error}", is_our_fault=True)


@contextmanager
def _node(here: OneHost) -> Iterator[tuple[Member, Node, Attendance]]:
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


def _await_others(hosts: ManyHosts, attendance: Attendance) -> None:
    def missing() -> list[str]:
        hosts.attend()
        return [name for name in hosts.names if name not in attendance.workers]

    await_host(
        lambda: None if missing() else True,
        lambda: f"hosts {', '.join(map(repr, missing()))} to join",
        hosts.here.say,
        hosts.here.stop,
    )


def _require_replicated_data(here: OneHost) -> None:
    channel, algorithm = here.config.training_channel(), here.chosen.job.algorithm
    if channel.is_sharded and algorithm not in {*FORESTS, *BOOSTERS}:
        raise InvalidData(
            f"channel {channel.name!r} is {channel.distribution}, so that each of the "
            f"{len(here.config.hosts)} hosts has a part of the rows, but {algorithm} learns on one "
            "host; set its S3DataDistributionType to FullyReplicated, or choose another algorithm: "
            f"{', '.join((*FORESTS, *BOOSTERS))}"
        )

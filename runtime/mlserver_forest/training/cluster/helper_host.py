"""The other hosts: each runs a worker for the first one until the job has ended."""

from mlserver_forest.errors import JobError
from mlserver_forest.training.cluster.addresses import answers, await_host, own_address, resolved
from mlserver_forest.training.cluster.member import Member, Outcome
from mlserver_forest.training.cluster.node import STOP, Node
from mlserver_forest.training.cluster.one_host import OneHost

_POLL_SECONDS = 0.1


def help_first(here: OneHost) -> None:
    """Do what the first host asks for, until it says that the job has ended.

    Raises:
        JobError: with the reason why the job failed, on whichever host.
        InvalidEnvironment: if the first host did not come.
    """
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
    here.say(f"helps host {first!r}, which tells how far the job is")
    # Whether there is a model is for the first host to say.
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


def _open_address(name: str) -> str | None:
    address = resolved(name)
    return address if address and answers(address) else None


def _await_end(here: OneHost, member: Member, node: Node) -> Outcome:
    is_told = False
    while (outcome := member.outcome(_POLL_SECONDS)) is None:
        if node.is_closed:
            # The first host's last word may have come just now.
            return member.outcome(1.0) or Outcome(
                f"host {here.config.hosts[0]!r}, the first, is gone: its process ended, or its "
                "network failed; its own log says more"
            )
        if here.stop.is_requested and not is_told:
            is_told = True
            node.log_event(STOP)
    return outcome

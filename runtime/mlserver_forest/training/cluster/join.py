"""One host trains; several come together first."""

from collections.abc import Callable

from mlserver_forest.training.algorithms import Hyperparameters
from mlserver_forest.training.cluster.one_host import Hosts, OneHost
from mlserver_forest.training.config import TrainingConfig
from mlserver_forest.training.fitting.progress import Say
from mlserver_forest.training.fitting.stopping import Stop


def on_all_hosts(
    config: TrainingConfig,
    chosen: Hyperparameters,
    say: Say,
    stop: Stop,
    train: Callable[[Hosts], None],
) -> None:
    """Train on one host, or on the first of several with the others' help.

    Args:
        config: what SageMaker told the job.
        chosen: the hyperparameters.
        say: takes each line of the log.
        stop: asked between steps.
        train: what one host does, or the first of several.

    Raises:
        JobError: whatever ``train`` raised, on all hosts; or naming a host that is gone.
        InvalidEnvironment: naming a host that did not come.
    """
    here = OneHost(config, chosen, say, stop)
    if len(config.hosts) == 1:
        train(here)
    elif config.is_first:
        from mlserver_forest.training.cluster.leader_host import lead

        lead(here, train)
    else:
        from mlserver_forest.training.cluster.helper_host import help_first

        help_first(here)

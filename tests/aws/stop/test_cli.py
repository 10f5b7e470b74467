"""forest stop against AWS's stand-in."""

from aws.account import RUNNING, name_of


def test_a_running_job_is_stopped_and_a_finished_one_is_left_alone(account):
    """A running job is stopped; one that is done is left."""
    name = name_of(account)
    account.stand_in.states["DescribeTrainingJob"] = RUNNING[2:]
    done = account.forest("stop", name, "--yes")
    assert done.out == f"training job {name} is stopping\n"
    done = account.forest("stop", name, "--yes")
    assert done.out == f"training job {name} is Stopped already\n"

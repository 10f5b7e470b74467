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


def test_pipelines_are_refused_in_words(account):
    done = account.forest("stop", "nightly", "--yes")
    assert "and aws sagemaker list-pipelines shows pipelines" in done.err
    arn = "arn:aws:sagemaker:eu-west-1:123456789012:pipeline/nightly/execution/abc"
    done = account.forest("stop", arn, "--yes")
    assert "is an ARN, and a name is expected, such as abc" in done.err
    assert "stop-pipeline-execution ends it" in done.err

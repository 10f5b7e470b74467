"""forest tune against AWS's stand-in."""

from support import IRIS

TUNE = ("tune", IRIS, "-p", "algorithm=random_forest", "--role", "forest", "--poll", "0.1")


def test_tune_follows_to_the_best_job(account):
    running = {"HyperParameterTuningJobStatus": "InProgress"}
    best = {
        "BestTrainingJob": {
            "TrainingJobName": "best-1",
            "TunedHyperParameters": {"max_depth": "7"},
            "TrainingJobArn": "arn:aws:sagemaker:eu-west-1:123456789012:training-job/best-1",
            "CreationTime": 1,
            "TrainingJobStatus": "Completed",
            "FinalHyperParameterTuningJobObjectiveMetric": {
                "MetricName": "validation:log_loss",
                "Value": 0.125,
            },
        }
    }
    account.stand_in.states["DescribeHyperParameterTuningJob"] = [running, running, best]
    done = account.forest(*TUNE, "-r", "max_depth=3:12")
    assert done.code == 0, done.err
    assert done.out == "best job: best-1 -p max_depth=7\nvalidation:log_loss=0.125\n"
    account.stand_in.states["DescribeHyperParameterTuningJob"] = [{}, best]
    assert account.forest(*TUNE, "-r", "max_depth=3:12").code == 0
    assert account.stand_in.count("CreateHyperParameterTuningJob") == 1


def test_the_ends_of_ranges_are_checked_before_anything_is_asked(account):
    done = account.forest(*TUNE, "-r", "n_estimators=0:500")
    assert done.code == 1
    assert "n_estimators" in done.err
    assert account.stand_in.seen == []

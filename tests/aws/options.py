"""Options that the tests of plans start from, and an account of which a test says what exists."""

from mlserver_forest.aws.existing import Existing
from mlserver_forest.aws.fit.plan import Fit, Input
from mlserver_forest.aws.infrastructure import Infrastructure
from mlserver_forest.aws.local_files import LocalFile
from mlserver_forest.aws.storage import Storage

STORAGE = Storage("eu-west-1", "my-bucket", is_default=False, prefix="p")
SHARED = Infrastructure(role="arn:aws:iam::123456789012:role/r", image="image@sha256:1")
CSV = LocalFile("/tmp/a.csv", "a.csv", 4, "ab" * 32)
FIT = Fit(
    storage=STORAGE,
    infrastructure=SHARED,
    inputs=(Input("train", files=(CSV,)), Input("test", uri="s3://other/test")),
    hyperparameters=(("algorithm", "xgboost"), ("n_estimators", "10")),
    metrics=({"Name": "validation:rmse", "Regex": "rmse=(.*)"},),
)


class SaidAccount:
    """An account of which the test says what exists: operation -> answer."""

    region = "eu-west-1"

    def __init__(self, **found):
        self.found = found

    def find(self, call):
        return self.found.get(call.operation)


NOTHING = Existing(SaidAccount())


def requests_of(plan):
    calls = [call for step in plan for call in step.as_json()]
    return {call["operation"]: call["request"] for call in calls}

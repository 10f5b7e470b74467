"""The names of a model's outputs, as the V2 protocol and SageMaker's routes call them."""

from collections.abc import Mapping

PREDICT = "predict"
PREDICT_PROBA = "predict_proba"
SCORE_SAMPLES = "score_samples"
DECISION_FUNCTION = "decision_function"
CONTRIBUTIONS = "contributions"
EXPECTED_VALUE = "expected_value"
INTERVAL = "interval"
PREDICTION_SET = "prediction_set"
OUT_OF_RANGE = "out_of_range"
OUT_OF_RANGE_FEATURES = "out_of_range_features"
# The outputs beside predictions that a model may have, with their V2 datatypes.
INSIGHT_DATATYPES: Mapping[str, str] = {
    CONTRIBUTIONS: "FP64",
    EXPECTED_VALUE: "FP64",
    INTERVAL: "FP64",
    PREDICTION_SET: "BOOL",
    OUT_OF_RANGE: "BOOL",
    OUT_OF_RANGE_FEATURES: "BOOL",
}

"""The V2 outputs of a model."""

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
# What an artifact may tell beside its predictions, and the V2 datatypes.
INSIGHT_DATATYPES: Mapping[str, str] = {
    CONTRIBUTIONS: "FP64",
    EXPECTED_VALUE: "FP64",
    INTERVAL: "FP64",
    PREDICTION_SET: "BOOL",
    OUT_OF_RANGE: "BOOL",
    OUT_OF_RANGE_FEATURES: "BOOL",
}

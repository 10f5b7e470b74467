"""Hypothesis strategies: tables of mixed columns, and pipelines on them."""

import numpy as np
import pandas as pd
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.feature_selection import (
    SelectFromModel,
    SelectKBest,
    SelectPercentile,
    VarianceThreshold,
)
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)

N_ROWS = 120
NUMBERS, COUNTS, WORDS, FLAGS = "numbers", "counts", "words", "flags"

_SCALERS = (
    StandardScaler,
    MinMaxScaler,
    MaxAbsScaler,
    RobustScaler,
    PowerTransformer,
    lambda: MinMaxScaler((-1, 2), clip=True),
    lambda: StandardScaler(with_mean=False),
    lambda: QuantileTransformer(n_quantiles=20),
    lambda: QuantileTransformer(n_quantiles=30, output_distribution="normal"),
    lambda: PowerTransformer(standardize=False),
    lambda: FunctionTransformer(np.arcsinh),
    lambda: FunctionTransformer(np.square),
    lambda: FunctionTransformer(np.negative),
    lambda: FunctionTransformer(np.abs),
    FunctionTransformer,
)
# They refuse gaps.
_BINNERS = (
    lambda: Binarizer(threshold=0.3),
    lambda: KBinsDiscretizer(4, encode="ordinal", quantile_method="averaged_inverted_cdf"),
    lambda: KBinsDiscretizer(3, encode="onehot-dense", quantile_method="averaged_inverted_cdf"),
    lambda: KBinsDiscretizer(5, encode="onehot", strategy="uniform"),
    lambda: SelectKBest(k=1),
    lambda: SelectPercentile(percentile=60),
    lambda: SelectFromModel(RandomForestClassifier(5, random_state=0)),
)
_ENCODERS = (
    lambda: OneHotEncoder(handle_unknown="ignore"),
    OneHotEncoder,
    lambda: OneHotEncoder(drop="first", handle_unknown="ignore"),
    lambda: OneHotEncoder(drop="if_binary", sparse_output=False),
    lambda: OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=25),
    lambda: OneHotEncoder(max_categories=2, drop="first"),
    OrdinalEncoder,
    lambda: OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
    lambda: OrdinalEncoder(
        handle_unknown="use_encoded_value",
        unknown_value=99,
        encoded_missing_value=-5,
        min_frequency=25,
    ),
    lambda: TargetEncoder(random_state=0),
)
_ESTIMATORS = (
    lambda: RandomForestClassifier(7, random_state=0),
    lambda: ExtraTreesClassifier(5, random_state=0),
    lambda: GradientBoostingClassifier(n_estimators=6, random_state=0),
    lambda: HistGradientBoostingClassifier(max_iter=6, min_samples_leaf=5, random_state=0),
)


@st.composite
def tables(draw):
    """A frame, the kind of each of its columns, and a target that depends on them."""
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    kinds = draw(st.lists(st.sampled_from([NUMBERS, COUNTS, WORDS, FLAGS]), min_size=2, max_size=5))
    columns, score = {}, np.zeros(N_ROWS)
    for place, kind in enumerate(kinds):
        if kind == NUMBERS:
            values = rng.normal(0, 10.0 ** rng.integers(-3, 5), N_ROWS).round(int(rng.integers(9)))
            score += np.sign(values)
        elif kind == COUNTS:
            values = rng.integers(0, int(rng.integers(2, 6)), N_ROWS).astype(float)
            score += values
        elif kind == FLAGS:
            values = rng.random(N_ROWS) < 0.5
            score += values
        else:
            words = np.array(["red", "blue", "green", "1", "yes no"], object)
            values = rng.choice(words[: rng.integers(2, 6)], N_ROWS)
            score += values == "red"
        if kind != FLAGS and draw(st.booleans()):
            values = np.where(rng.random(N_ROWS) < 0.15, np.nan, values)
        columns[f"c{place}"] = values
    y = np.digitize(score + rng.normal(0, 0.5, N_ROWS), np.quantile(score, [0.4, 0.8]))
    return pd.DataFrame(columns), kinds, y


@st.composite
def pipelines(draw, frame, kinds):
    """A pipeline, not fitted, that takes this frame."""
    parts = []
    for kind in dict.fromkeys(kinds):
        names = [name for name, one in zip(frame.columns, kinds, strict=True) if one == kind]
        for number in range(draw(st.integers(1, 2))):
            has_gaps = bool(frame[names].isna().any().any())
            step = draw(_number_steps(has_gaps) if kind in (NUMBERS, COUNTS) else _word_steps(kind))
            parts.append((f"{kind}{number}", step, names))
    remainder = draw(st.sampled_from(["drop", "passthrough"]))
    if remainder == "passthrough" and len(parts) > 1 and parts[-1][0].startswith(NUMBERS):
        parts = parts[:-1]
    threshold = draw(st.sampled_from([0, 0.3, 1]))
    prepared = ColumnTransformer(
        parts,
        remainder=remainder,
        sparse_threshold=threshold,
        transformer_weights=draw(st.sampled_from([None, {parts[0][0]: -2.5}])),
    )
    steps = [prepared]
    last = draw(st.sampled_from(_ESTIMATORS))()
    if draw(st.booleans()):
        steps.append(draw(st.sampled_from([VarianceThreshold, MaxAbsScaler]))())
    if threshold and isinstance(last, HistGradientBoostingClassifier):
        prepared.set_params(sparse_threshold=0)
    return make_pipeline(*steps, last)


@st.composite
def _number_steps(draw, has_gaps):
    scaler = draw(st.sampled_from(_SCALERS))()
    strategy = draw(st.sampled_from(["mean", "median", "most_frequent", "constant"]))
    imputer = SimpleImputer(strategy=strategy, add_indicator=draw(st.booleans()))
    form = draw(st.integers(0, 5))
    if form == 0:
        return scaler
    if form == 1:
        return make_pipeline(imputer, draw(st.sampled_from(_BINNERS))())
    if form == 2:
        return FeatureUnion([("a", make_pipeline(scaler)), ("b", MissingIndicator(features="all"))])
    if form == 3:
        return draw(st.sampled_from(_ENCODERS))()
    if form == 4:
        marker = SimpleImputer(missing_values=0.0, strategy="constant", fill_value=-3.0)
        return marker if not has_gaps else make_pipeline(imputer, marker)
    return Pipeline([("imputer", imputer), ("scaler", scaler)])


@st.composite
def _word_steps(draw, kind):
    encoder = draw(st.sampled_from(_ENCODERS))()
    if kind == FLAGS or draw(st.booleans()):
        return encoder
    fill = draw(st.sampled_from([{}, {"strategy": "constant", "fill_value": "none"}]))
    return make_pipeline(SimpleImputer(**{"strategy": "most_frequent", **fill}), encoder)

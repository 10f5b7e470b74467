"""A model's card as the model card of a SageMaker model package.

The schema is that of SageMaker's guide, "Model package model card schema".
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from mlserver_forest.aws.step import members
from mlserver_forest.aws.trained_model import TrainedModel

# The schema's limits, in characters and items.
_LONGEST, _LONGEST_OBSERVATION, _LONGEST_CAVEAT = 1024, 1024, 2048
_LONGEST_NAME, _LONGEST_GROUP, _LONGEST_AXIS = 255, 63, 63
_MOST_HYPERPARAMETERS, _MOST_DATASETS = 100, 15
_LONGEST_CARD = 100_000
# The parts that a card does without if it would be longer, in this order.
_OPTIONAL = ("user_provided_hyper_parameters", "training_datasets")


def package_card(model: TrainedModel, image: str, uri: str, training_arn: str = "") -> str:
    """The content of the model card, as JSON.

    Args:
        model: the model and its report.
        image: the image that serves it.
        uri: the S3 URI of its artifact.
        training_arn: the ARN of the training job, or empty.
    """
    left_out: list[str] = []
    text = _document(model, image, uri, training_arn, left_out)
    for part in _OPTIONAL:
        if len(text) <= _LONGEST_CARD:
            break
        left_out.append(part)
        text = _document(model, image, uri, training_arn, left_out)
    return text


def _document(
    model: TrainedModel, image: str, uri: str, training_arn: str, left_out: Sequence[str]
) -> str:
    training = _training(model, image, training_arn)
    job = training["training_job_details"]
    training["training_job_details"] = {k: v for k, v in job.items() if k not in left_out}
    document = members(
        model_overview={"model_artifact": [uri[:_LONGEST]]},
        intended_uses=members(purpose_of_model=_purpose(model)),
        training_details=training,
        evaluation_details=_evaluations(model),
        additional_information=members(
            caveats_and_recommendations=_caveats(model),
            custom_details=_details(model) | members(left_out=", ".join(left_out)),
        ),
    )
    return json.dumps(document, ensure_ascii=False)


def _purpose(model: TrainedModel) -> str:
    if not model.n_features:
        return ""
    target = model.card.target_title or model.card.target_name or "the target"
    what = f"one of {len(model.classes)} classes" if model.classes else "a number"
    return f"Predicts {target[:_LONGEST]}, {what}, from {model.n_features} features."


def _training(model: TrainedModel, image: str, training_arn: str) -> dict[str, Any]:
    job = members(
        training_arn=training_arn,
        training_datasets=_datasets(model),
        training_environment={"container_image": [image]},
        user_provided_training_metrics=[
            {"name": name[:_LONGEST_NAME], "value": value}
            for name, value in model.metrics.get("train", {}).items()
        ],
        user_provided_hyper_parameters=[
            {"name": name[:_LONGEST_NAME], "value": value[:_LONGEST_NAME]}
            for name, value in list(model.hyperparameters.items())[:_MOST_HYPERPARAMETERS]
            if name and value
        ],
    )
    notes = " ".join(model.card.notes)[:_LONGEST_OBSERVATION]
    return members(training_observations=notes, training_job_details=job)


def _evaluations(model: TrainedModel) -> list[dict[str, Any]]:
    """An evaluation for each set of rows that the model was measured on."""
    importances = _importances(model)
    measured_on = model.card.measured_on
    found = []
    for rows, metrics in model.metrics.items():
        data = [_simple(name, value) for name, value in metrics.items()]
        groups = [{"name": "quality", "metric_data": data}]
        if importances and rows == measured_on:
            groups.append({"name": "feature importances", "metric_data": [importances]})
        found.append(
            members(
                name=rows[:_LONGEST_GROUP],
                evaluation_observation=_observation(rows),
                metric_groups=groups,
            )
        )
    return found


def _simple(name: str, value: float) -> dict[str, Any]:
    return {"name": name[:_LONGEST_NAME], "type": "number", "value": value}


def _importances(model: TrainedModel) -> dict[str, Any]:
    found: Mapping[str, float] = model.card.importances
    if not found:
        return {}
    return {
        "name": f"loss of {model.card.measure}" if model.card.measure != "impurity" else "impurity",
        "type": "bar_chart",
        "value": list(found.values()),
        "x_axis_name": [name[:_LONGEST_AXIS] for name in found],
        "y_axis_name": model.card.measure[:_LONGEST_AXIS],
    }


def _observation(rows: str) -> str:
    return "Optimistic: the model has seen these rows." if rows == "train" else ""


def _datasets(model: TrainedModel) -> list[str]:
    """The names of the files, without the folders of whoever trained the model."""
    data = model.report.get("data")
    files = data.get("files") if isinstance(data, dict) else None
    names = [PurePath(str(one)).name[:_LONGEST] for one in files] if isinstance(files, list) else []
    return names[:_MOST_DATASETS]


def _caveats(model: TrainedModel) -> str:
    found = model.report.get("warnings")
    warnings = found if isinstance(found, list) else []
    lines = [f"{one.get('title')}: {one.get('text')}" for one in warnings if isinstance(one, dict)]
    return "\n".join(lines)[:_LONGEST_CAVEAT]


def _details(model: TrainedModel) -> dict[str, str]:
    """What the schema has no place for."""
    card = model.card
    found = members(
        algorithm=card.title,
        trained=card.trained,
        training_rows=str(card.n_rows) if card.n_rows else "",
        target=card.target_title or card.target_name or card.target,
        classes=", ".join(model.classes),
        ignored_columns=", ".join(card.ignored),
        versions=", ".join(f"{name} {version}" for name, version in model.versions.items()),
    )
    return {name: text[:_LONGEST] for name, text in found.items()}

"""The schema of a model package's model card, from SageMaker's guide: "View and Update the Details
of a Model Version", "Model package model card schema"; the parts that a forest's card may have.
"""


def text(longest):
    return {"type": "string", "maxLength": longest}


def named(longest):
    return {"type": "string", "minLength": 1, "maxLength": longest}


def closed(required=(), **properties):
    return {
        "type": "object",
        "required": list(required),
        "additionalProperties": False,
        "properties": properties,
    }


def several(items, most=None):
    return {"type": "array", "items": items} | ({"maxItems": most} if most else {})


_SIMPLE = closed(
    ("name", "type", "value"),
    name=named(255),
    notes=text(1024),
    type={"enum": ["number", "string", "boolean"]},
    value={"anyOf": [{"type": "number"}, text(63), {"type": "boolean"}]},
    x_axis_name=text(63),
    y_axis_name=text(63),
)
_BARS = closed(
    ("name", "type", "value"),
    name=named(255),
    notes=text(1024),
    type={"enum": ["bar_chart"]},
    value={"type": "array", "items": {"type": "number"}, "minItems": 1},
    x_axis_name=several(text(63)),
    y_axis_name=text(63),
)
_GROUP = closed(
    ("name", "metric_data"),
    name=named(63),
    metric_data=several({"anyOf": [_SIMPLE, _BARS]}),
)
_METRIC = closed(("name", "value"), name=named(255), notes=text(1024), value={"type": "number"})
_HYPERPARAMETER = closed(("name", "value"), name=named(255), value=named(255))
_TEXTS = {"type": "object", "additionalProperties": text(1024)}
SCHEMA = closed(
    model_overview=closed(model_creator=text(1024), model_artifact=several(text(1024), 15)),
    intended_uses=closed(
        purpose_of_model=text(2048),
        intended_uses=text(2048),
        factors_affecting_model_efficiency=text(2048),
        risk_rating={"enum": ["High", "Medium", "Low", "Unknown"]},
        explanations_for_risk_rating=text(2048),
    ),
    business_details=closed(
        business_problem=text(2048),
        business_stakeholders=text(2048),
        line_of_business=text(2048),
    ),
    training_details=closed(
        objective_function={"type": "object"},
        training_observations=text(1024),
        training_job_details=closed(
            training_arn=text(1024),
            training_datasets=several(text(1024), 15),
            training_environment=closed(container_image=several(text(1024), 15)),
            training_metrics=several(_METRIC, 50),
            user_provided_training_metrics=several(_METRIC, 50),
            hyper_parameters=several(_HYPERPARAMETER, 100),
            user_provided_hyper_parameters=several(_HYPERPARAMETER, 100),
        ),
    ),
    evaluation_details=several(
        closed(
            ("name",),
            name=named(63),
            evaluation_observation=text(2096),
            evaluation_job_arn=text(256),
            datasets=several(text(1024), 10),
            metadata=_TEXTS,
            metric_groups=several(_GROUP),
        )
    ),
    additional_information=closed(
        ethical_considerations=text(2048),
        caveats_and_recommendations=text(2048),
        custom_details=_TEXTS,
    ),
)

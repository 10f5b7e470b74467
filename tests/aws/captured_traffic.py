"""What AWS writes of invocations, which moto does not: captured data, and metrics of each variant.

The forms are those of SageMaker's guide: "Capture data from real-time endpoint", and "Amazon
SageMaker AI metrics in Amazon CloudWatch".
"""

import base64
import json
import uuid
from datetime import UTC, datetime

_TEXT = {"csv": "CSV", "json": "JSON"}


def captured_body(media_type, data, mode):
    """A body as it stands in a record."""
    encoding = next((kind for word, kind in _TEXT.items() if word in media_type), "BASE64")
    text = base64.b64encode(data).decode() if encoding == "BASE64" else data.decode()
    return {"observedContentType": media_type, "mode": mode, "data": text, "encoding": encoding}


def record(question, answer, *, event_id="", inference_id="", time=None):
    """A line of captured data.

    Args:
        question, answer: (media type, bytes), or None for one that is not captured.
    """
    bodies = {}
    if question:
        bodies["endpointInput"] = captured_body(*question, "INPUT")
    if answer:
        bodies["endpointOutput"] = captured_body(*answer, "OUTPUT")
    time = time or datetime.now(UTC)
    metadata = {
        "eventId": event_id or str(uuid.uuid4()),
        **({"inferenceId": inference_id} if inference_id else {}),
        "inferenceTime": f"{time:%Y-%m-%dT%H:%M:%SZ}",
    }
    return json.dumps({"captureData": bodies, "eventMetadata": metadata, "eventVersion": "0"})


def capture_key(endpoint, variant, time=None):
    """The key of a new file below the prefix."""
    time = time or datetime.now(UTC)
    folder = f"{time:%Y/%m/%d/%H}"
    return f"{endpoint}/{variant}/{folder}/{time:%M-%S-%f}-{uuid.uuid4()}.jsonl"


def chosen_variant(variants, counts):
    """The variant that has had the fewest invocations for its weight."""
    weighted = [one for one in variants if one.get("InitialVariantWeight", 1.0) > 0]
    return min(
        weighted,
        key=lambda one: (counts[one["VariantName"]] + 1) / one.get("InitialVariantWeight", 1.0),
    )["VariantName"]


def metric_data(endpoint, variant, status, seconds):
    """The values of one invocation."""
    dimensions = [
        {"Name": "EndpointName", "Value": endpoint},
        {"Name": "VariantName", "Value": variant},
    ]
    values = {
        "Invocations": (1, "None"),
        "Invocation4XXErrors": (int(400 <= status < 500), "None"),
        "Invocation5XXErrors": (int(status >= 500), "None"),
        "ModelLatency": (seconds * 1e6, "Microseconds"),
    }
    return [
        {"MetricName": name, "Dimensions": dimensions, "Value": value, "Unit": unit}
        for name, (value, unit) in values.items()
    ]

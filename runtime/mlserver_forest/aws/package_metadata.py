"""The customer metadata of a model package: rows, seed, versions, git revision and metrics."""

import re
from datetime import UTC, datetime

from mlserver_forest.aws.existing import UNKNOWN, Existing
from mlserver_forest.aws.git_revision import GitRevision
from mlserver_forest.aws.naming import NAMESPACE
from mlserver_forest.aws.step import Answer, Call
from mlserver_forest.aws.trained_model import TrainedModel

# A digest of the registered content, by which the same registration is found again.
CONTENT = f"{NAMESPACE}content"
# The metric that is shown first, such as "validation:accuracy", under whose name its value is.
HEADLINE = "metric"
# Who decided about the version, and when.
DECIDED_BY, DECIDED_AT = "decided-by", "decided-at"
# SageMaker's API, CreateModelPackage: CustomerMetadataProperties has at most 50 entries, of which
# two are those of a decision.
_MOST, _LONGEST_KEY, _LONGEST_VALUE = 48, 128, 256
_MOST_METRICS = 20
_METRIC = re.compile(r"(?!version:|mlserver-forest:)[^:]+:[^:]+")
_NUMBER = re.compile(r"[-+]?[0-9]+(?:\.[0-9]*)?(?:e[-+]?[0-9]+)?")
_REFUSED = re.compile(r"[^\w\s.:/=+\-@]")


def package_metadata(
    model: TrainedModel, revision: GitRevision | None, content: str
) -> dict[str, str]:
    """The metadata of a version, within AWS's limits.

    Args:
        model: the model and its report.
        revision: the git revision of the current folder, or None.
        content: the digest of what is registered.
    """
    card = model.card
    metrics = {
        f"{rows}:{name}": f"{value:.6g}"
        for rows, found in model.metrics.items()
        for name, value in found.items()
    }
    found = {
        CONTENT: content,
        "algorithm": card.algorithm,
        "target": card.target_title or card.target_name,
        "rows": str(card.n_rows) if card.n_rows else "",
        "features": str(model.n_features or ""),
        "trained": card.trained,
        "seed": _seed(model),
        "git-revision": revision.commit if revision else "",
        "git-changed": ("yes" if revision.is_dirty else "no") if revision else "",
        HEADLINE: model.headline,
        **dict(list(metrics.items())[:_MOST_METRICS]),
        **{f"version:{name}": version for name, version in model.versions.items()},
    }
    known = [(key, value) for key, value in found.items() if value]
    return {
        _plain(key, _LONGEST_KEY): _plain(value, _LONGEST_VALUE) for key, value in known[:_MOST]
    }


def metrics_of_package(found: Answer) -> dict[str, float]:
    """The metrics in the metadata of a version, such as "validation:accuracy".

    Args:
        found: the version's description.
    """
    metadata = found.get("CustomerMetadataProperties") or {}
    return {
        name: float(value)
        for name, value in metadata.items()
        if _METRIC.fullmatch(name) and _NUMBER.fullmatch(value)
    }


def decision_metadata(caller: str) -> dict[str, str]:
    """Who has decided about a version, now.

    Args:
        caller: the ARN of whoever decides, or empty.
    """
    found = {DECIDED_AT: f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"}
    return found | ({DECIDED_BY: _plain(caller, _LONGEST_VALUE)} if caller else {})


def find_caller(existing: Existing) -> str:
    """The ARN of whoever runs the command; empty if it is unknown."""
    found = existing.find(Call("sts", "GetCallerIdentity", {}), optional="who decides")
    return "" if found is None or found is UNKNOWN else str(found["Arn"])


def _seed(model: TrainedModel) -> str:
    """The seed of training; without one, training is not repeatable."""
    if not model.report:
        return ""
    return model.hyperparameters.get("random_state", "not set")


def _plain(text: str, longest: int) -> str:
    """The text as AWS takes it: letters, digits, spaces and _.:/=+-@."""
    return _REFUSED.sub("-", text)[:longest]

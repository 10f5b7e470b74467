"""``forest register``: a model package group, and a version of a model in it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from mlserver_forest.aws.existing import UNKNOWN, Existing
from mlserver_forest.aws.git_revision import GitRevision
from mlserver_forest.aws.inference_specification import inference_specification
from mlserver_forest.aws.local_files import LocalFile
from mlserver_forest.aws.model_data import ModelData
from mlserver_forest.aws.model_group import (
    APPROVED,
    PENDING,
    find_versions,
    group_look_up,
    group_step,
    package_look_up,
)
from mlserver_forest.aws.naming import digest_of
from mlserver_forest.aws.package_metadata import CONTENT, decision_metadata, package_metadata
from mlserver_forest.aws.register.model_quality import MEDIA_TYPE
from mlserver_forest.aws.step import Answer, Call, Plan, Step, members
from mlserver_forest.aws.storage import Storage, bucket_steps, upload_steps
from mlserver_forest.aws.trained_model import TrainedModel

# The number of versions that are looked through for the same content, newest first.
_MOST_COMPARED = 100


@dataclass(frozen=True)
class Registration:
    """The options of ``forest register``, and the model.

    Attributes:
        storage: where files are uploaded to.
        group: the name of the model package group.
        artifact: where the model is, or is going to be.
        image: the URI of the image, by its digest.
        model: the model's own description.
        card: the content of the model card.
        quality: the file of the metrics, or None.
        baseline: Model Monitor's statistics and constraints, or empty.
        environment: the variables of the container.
        description: the version's description, or empty.
        is_approved: whether the version is approved at once.
        instance_types, transform_instance_types: those that the model may be deployed on.
        kms_key: the key that encrypts uploads, or empty.
        revision: the git revision, or None.
        generated_by: the ARN of the training job, or empty.
        caller: the ARN of whoever registers, or empty.
    """

    storage: Storage
    group: str
    artifact: ModelData
    image: str
    model: TrainedModel
    card: str
    instance_types: tuple[str, ...]
    transform_instance_types: tuple[str, ...]
    quality: LocalFile | None = None
    baseline: tuple[LocalFile, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    description: str = ""
    is_approved: bool = False
    kms_key: str = ""
    revision: GitRevision | None = None
    generated_by: str = ""
    caller: str = ""

    @property
    def files(self) -> tuple[tuple[str, LocalFile], ...]:
        """The (key, file) pairs that are uploaded."""
        reports = [one for one in (self.quality, *self.baseline) if one]
        return (*self.artifact.files, *((self._key(one), one) for one in reports))

    @property
    def content(self) -> str:
        """A digest of what is registered: the same content is not registered twice.

        It does not depend on the git revision, nor on whether the version is approved.
        """
        request = {**self._body(), "CustomerMetadataProperties": None}
        return digest_of([request, self.artifact.identity])

    def request(self) -> dict[str, Any]:
        """CreateModelPackage's request."""
        more = members(
            MetadataProperties=members(
                CommitId=self.revision.commit if self.revision else "",
                Repository=self.revision.repository if self.revision else "",
                GeneratedBy=self.generated_by,
            ),
        )
        status = APPROVED if self.is_approved else PENDING
        metadata = package_metadata(self.model, self.revision, self.content)
        if self.is_approved:
            metadata |= decision_metadata(self.caller)
        return {
            **self._body(),
            **more,
            "ModelApprovalStatus": status,
            "CustomerMetadataProperties": metadata,
        }

    def _body(self) -> dict[str, Any]:
        """The members that are the content."""
        return members(
            ModelPackageGroupName=self.group,
            ModelPackageDescription=self.description,
            InferenceSpecification=self._inference(),
            ModelMetrics=self._reports(),
            DriftCheckBaselines=self._reports(),
            ModelCard=self._card(),
        )

    def _card(self) -> dict[str, str]:
        return {"ModelCardContent": self.card, "ModelCardStatus": "Draft"} if self.card else {}

    def _inference(self) -> dict[str, Any]:
        container = members(
            Image=self.image,
            ModelDataUrl=self.artifact.uri,
            Environment=dict(self.environment),
        )
        return inference_specification(
            container, self.instance_types, self.transform_instance_types
        )

    def _reports(self) -> dict[str, Any]:
        """The files in S3 with the metrics, and with Model Monitor's baseline."""
        quality = {"Statistics": self._source(self.quality)} if self.quality else {}
        return members(ModelQuality=quality, ModelDataQuality=self._data_quality())

    def _data_quality(self) -> dict[str, Any]:
        names = ("Statistics", "Constraints")
        pairs = zip(names, self.baseline, strict=False)
        return {name: self._source(file) for name, file in pairs}

    def _source(self, file: LocalFile) -> dict[str, str]:
        uri = f"s3://{self.storage.bucket}/{self._key(file)}"
        return {
            "ContentType": MEDIA_TYPE,
            "ContentDigest": f"sha256:{file.sha256}",
            "S3Uri": uri,
        }

    def _key(self, file: LocalFile) -> str:
        return self.storage.key("reports", file.sha256[:16], file.name)


def find_same(registration: Registration, existing: Existing) -> Answer | None:
    """The description of the newest version with the same content; None if there is none."""
    versions = find_versions(existing, registration.group)
    if versions is UNKNOWN:
        return None
    calls = [package_look_up(str(one["ModelPackageArn"])) for one in versions[:_MOST_COMPARED]]
    existing.find_together(calls)
    for call in calls:
        found = existing.find(call)
        if found is None or found is UNKNOWN:
            continue
        metadata: Mapping[str, str] = found.get("CustomerMetadataProperties") or {}
        if metadata.get(CONTENT) == registration.content:
            return found
    return None


def plan(registration: Registration, existing: Existing, same: Answer | None) -> Plan:
    """The steps: uploads, the group unless it exists, and the version unless it exists.

    Args:
        registration: the options, and the model.
        existing: the account.
        same: the description of a version with the same content, or None.
    """
    group = registration.group
    is_known = existing.find(group_look_up(group)) is not UNKNOWN
    version = Step(
        Call("sagemaker", "CreateModelPackage", registration.request()),
        makes=f"a version of model package group {group}",
        removed_by=f"forest delete {group}@N, with its number in forest list --group {group}",
        when="" if is_known else "no version of the group has the same content",
    )
    if same is not None:
        makes = f"version {same['ModelPackageVersion']} of model package group {group}"
        return (replace(version, found=same, makes=makes),)
    storage, files = registration.storage, registration.files
    return (
        *(bucket_steps(storage, existing) if files else ()),
        *upload_steps(storage, files, existing, registration.kms_key),
        group_step(existing, group),
        version,
    )

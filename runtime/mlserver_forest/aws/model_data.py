"""MODEL on a command line: a training job, an object in S3, a model package, or something local."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mlserver_forest.aws.data_identity import Say, identity_of_uri
from mlserver_forest.aws.existing import UNKNOWN, Existing
from mlserver_forest.aws.local_files import LocalFile, digest_of_files, local_file, pack_model
from mlserver_forest.aws.model_group import resolve_version
from mlserver_forest.aws.platforms import platform_of
from mlserver_forest.aws.resource_kinds import TRAINING
from mlserver_forest.aws.served_folder import check_model_archive, check_model_folder
from mlserver_forest.aws.step import Answer, Call
from mlserver_forest.aws.storage import Storage, split_uri
from mlserver_forest.errors import DeploymentError

_ARCHIVE = ".tar.gz"
_WITH_MODEL = frozenset({"Completed", "Stopped"})
_PACKAGE = re.compile(
    r"arn:aws[a-z-]*:sagemaker:(?P<region>[a-z0-9-]+):[0-9]{12}:model-package/[\w-]+(/[0-9]+)?"
)


@dataclass(frozen=True)
class ModelData:
    """Where the bytes of a model are, or are going to be.

    Attributes:
        uri: the S3 URI of the model.tar.gz, or of the prefix of many models, or the ARN of a model
            package.
        files: (key, file) pairs that are uploaded first.
        identity: a digest of what the bytes are now if they are in S3; empty if the URI has one.
        image: the image that trained the model, or empty if it is not known.
        platform: the platform of that image, such as linux/amd64, or empty.
        instance_types: those that a model package lists for endpoints; empty if it lists none.
    """

    uri: str
    files: tuple[tuple[str, LocalFile], ...] = ()
    identity: str = ""
    image: str = ""
    platform: str = ""
    instance_types: tuple[str, ...] = ()

    def check_image(self, instance_type: str) -> None:
        """Check that the image that trained the model runs on an instance type.

        Raises:
            DeploymentError: if it is for other processors.
        """
        needed = platform_of(instance_type)
        if self.platform and self.platform != needed:
            raise DeploymentError(
                f"the training job's image is for {self.platform}, and {instance_type} runs "
                f"{needed}; give --image URI of one for {needed}, or an --instance-type that runs "
                f"{self.platform}"
            )

    def check_own_image(self, given: Iterable[str]) -> None:
        """Check that no other image is asked for if the model is a package.

        Args:
            given: the options that were given.

        Raises:
            DeploymentError: naming the option.
        """
        wrong = sorted({"--image", "--repository"} & frozenset(given))
        if self.is_package and wrong:
            raise DeploymentError(f"a model package has an image of its own; leave {wrong[0]} out")

    @property
    def is_package(self) -> bool:
        """Whether it is a model package, which has an image of its own."""
        return self.uri.startswith("arn:")


def find_model_data(
    existing: Existing, storage: Storage, model: str, folder: Path, say: Say
) -> ModelData:
    """Find one model.

    Args:
        existing: the account.
        storage: where a local model is uploaded to.
        model: s3://..., a model directory or a .tar.gz, the ARN of a model package,
            GROUP@VERSION, or a training job's name.
        folder: where a directory's archive is written.
        say: prints a line, for example if there is nothing at the URI.

    Raises:
        DeploymentError: if there is no such model.
    """
    model = resolve_version(existing, model, storage.region, say)
    if model.startswith("s3://"):
        _, key = split_uri(model)
        if not key or key.endswith("/"):
            raise DeploymentError(
                f"{model} is a prefix; expected the URI of one archive, such as "
                f"{model.rstrip('/')}/model.tar.gz"
            )
        return ModelData(model, identity=identity_of_uri(existing, model, say))
    if model.startswith("arn:"):
        return _package(existing, model, storage.region, say)
    if Path(model).exists():
        file = _archive(Path(model), folder)
        key = storage.key("models", file.sha256[:16], "model.tar.gz")
        return ModelData(f"s3://{storage.bucket}/{key}", ((key, file),))
    found = existing.find(TRAINING.look_up(model))
    if found is UNKNOWN:
        return ModelData(f"s3://{storage.bucket}/<model.tar.gz of training job {model}>")
    if found is None:
        raise DeploymentError(
            f"{model} is not a training job in {storage.region}, a local file or folder, an "
            "S3 URI, the ARN of a model package, or GROUP@approved"
        )
    return _job(existing, model, found, say)


def find_many_models(storage: Storage, endpoint: str, models: str, folder: Path) -> ModelData:
    """Find many models, for a multi-model endpoint.

    The archives of a local folder go below a prefix whose name is a digest of all of them, because
    SageMaker keeps models that it has loaded: an artifact that is replaced in place is served in
    both versions (SageMaker's guide, "Add or remove models").

    Args:
        storage: where local models are uploaded to.
        endpoint: its name.
        models: a prefix in S3, or a folder of model directories and archives.
        folder: where the directories' archives are written.

    Raises:
        DeploymentError: if there is no such folder, or if it is empty.
    """
    if models.startswith("s3://"):
        split_uri(models)
        return ModelData(models.rstrip("/") + "/")
    if not Path(models).is_dir():
        raise DeploymentError(
            f"{models} is not a folder; --multi-model expects an S3 prefix, or a folder of model "
            "directories or .tar.gz files"
        )
    found = tuple(_archives(models, folder))
    if not found:
        raise DeploymentError(f"{models} contains no model directories and no .tar.gz files")
    prefix = ("multi-model", endpoint, digest_of_files(found))
    files = tuple((storage.key(*prefix, file.name), file) for file in found)
    return ModelData(storage.uri(*prefix) + "/", files)


def archives_below(existing: Existing, uri: str) -> set[str]:
    """The names of the archives below a prefix in S3; empty if they may not be listed."""
    bucket, prefix = split_uri(uri)
    call = Call("s3", "ListObjectsV2", {"Bucket": bucket, "Prefix": prefix}, items="Contents")
    found = existing.find(call, optional=f"what is below {uri}")
    if found is None or found is UNKNOWN:
        return set()
    return {str(one["Key"]).removeprefix(prefix) for one in found["Contents"]}


def _job(existing: Existing, name: str, found: Answer, say: Say) -> ModelData:
    # A job that is stopped writes the model that it has until then.
    uri = found.get("ModelArtifacts", {}).get("S3ModelArtifacts")
    if not uri or found[TRAINING.status] not in _WITH_MODEL:
        raise DeploymentError(
            f"training job {name} is {found[TRAINING.status]}: it has no model to deploy; "
            f"see forest status {name}"
        )
    image = found.get("AlgorithmSpecification", {}).get("TrainingImage", "")
    instances = found.get("ResourceConfig", {}).get("InstanceType", "")
    return ModelData(
        str(uri),
        identity=identity_of_uri(existing, str(uri), say),
        image=image,
        platform=platform_of(instances) if image and instances else "",
    )


def _package(existing: Existing, arn: str, region: str, say: Say) -> ModelData:
    if "<" in arn:  # A placeholder for a version that cannot be looked up.
        return ModelData(arn)
    matched = _PACKAGE.fullmatch(arn)
    if not matched:
        raise DeploymentError(
            f"{arn} is not the ARN of a model package; expected "
            "arn:aws:sagemaker:REGION:ACCOUNT:model-package/GROUP/VERSION"
        )
    if matched["region"] != region:
        raise DeploymentError(
            f"{arn} is in {matched['region']}; give --region {matched['region']}, because a model "
            "is created in the region of its package"
        )
    call = Call("sagemaker", "DescribeModelPackage", {"ModelPackageName": arn})
    found = existing.find(call, optional=f"whether {arn} is approved")
    if found is None:
        raise DeploymentError(f"there is no model package {arn}")
    approval = "" if found is UNKNOWN else found.get("ModelApprovalStatus", "")
    if approval == "Rejected":
        raise DeploymentError(f"model package {arn} was rejected; approve it, or give another one")
    if approval == "PendingManualApproval":
        say(f"model package {arn} is not approved yet")
    known = {} if found is UNKNOWN else found
    if known.get("ModelPackageStatus") == "Failed":
        raise DeploymentError(f"model package {arn} has failed; register the model again")
    inference = known.get("InferenceSpecification") or {}
    types = inference.get("SupportedRealtimeInferenceInstanceTypes") or ()
    return ModelData(arn, instance_types=tuple(types))


def _archives(models: str, folder: Path) -> Iterator[LocalFile]:
    for path in sorted(Path(models).iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir():
            check_model_folder(path)
            name = path.name + _ARCHIVE
            yield local_file(pack_model(path, folder / name), name)
        elif path.name.endswith(_ARCHIVE):
            check_model_archive(path)
            yield local_file(path, path.name)


def _archive(path: Path, folder: Path) -> LocalFile:
    if path.is_dir():
        check_model_folder(path)
        path = pack_model(path, folder / "model.tar.gz")
    elif not path.name.endswith(_ARCHIVE):
        raise DeploymentError(
            f"{path} is neither a model directory nor a .tar.gz; forest pack turns a model "
            "file into a model directory"
        )
    else:
        check_model_archive(path)
    return local_file(path, "model.tar.gz")

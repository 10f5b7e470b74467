"""The platforms that images are built for, and the instances of SageMaker that run them."""

import re

from mlserver_forest.errors import DeploymentError

AMD64, ARM64 = "linux/amd64", "linux/arm64"
PLATFORMS = (AMD64, ARM64)
# Graviton: the generation is followed by g, as in ml.c7g.large, ml.m6gd.large and ml.g5g.xlarge.
_GRAVITON = re.compile(r"ml\.[a-z]+[0-9]+g[a-z]*\..+")
_INSTANCE = re.compile(r"ml\.[a-z0-9-]+\.[a-z0-9]+")


def platforms_of(text: str, instance_type: str) -> tuple[str, ...]:
    """The platforms to build for.

    Args:
        text: the platforms, separated by commas; empty for the instance's, or else linux/amd64.
        instance_type: the instances that will run the image, or empty.

    Raises:
        DeploymentError: if there is no such platform or instance type, or they do not fit.
    """
    if instance_type and not _INSTANCE.fullmatch(instance_type):
        raise DeploymentError(
            f"--instance-type {instance_type!r}: expected one of SageMaker's, such as ml.m5.large"
        )
    needed = platform_of(instance_type) if instance_type else ""
    wanted = tuple(dict.fromkeys(one.strip() for one in text.split(","))) if text else ()
    wanted = wanted or (needed or AMD64,)
    for one in wanted:
        if one not in PLATFORMS:
            raise DeploymentError(f"--platform {one!r}: expected {AMD64}, {ARM64} or both")
    if needed and needed not in wanted:
        raise DeploymentError(
            f"{instance_type} runs {needed}, not {', '.join(wanted)}; give --platform {needed}"
        )
    return wanted


def platform_of(instance_type: str) -> str:
    """The platform of an instance type, such as linux/arm64 of ml.c7g.large."""
    return ARM64 if _GRAVITON.fullmatch(instance_type) else AMD64


def check_built(name: str, built: str, wanted: str) -> None:
    """Check a local image's platform.

    Args:
        name: the image's name in Docker.
        built: the platform that Docker reports.
        wanted: the one that it should have.

    Raises:
        DeploymentError: if they differ.
    """
    if built != wanted:
        raise DeploymentError(
            f"image {name} is for {built}, and {wanted} was asked for, which is what SageMaker's "
            f"instances run (Graviton's run {ARM64}); build it again with --platform {wanted}, or "
            f"push it as it is with --platform {built}"
        )

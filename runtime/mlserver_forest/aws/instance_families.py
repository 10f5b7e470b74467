"""The instance types that a registered model may be deployed on, unless others are named."""

# Sizes by family, of SageMaker's instances with x86 processors and without accelerators, which the
# image for linux/amd64 runs on. A test holds that AWS's models of the service know each of them.
_BOTH = {
    "m5": ("large", "xlarge", "2xlarge", "4xlarge", "12xlarge", "24xlarge"),
    "c5": ("xlarge", "2xlarge", "4xlarge", "9xlarge", "18xlarge"),
    **dict.fromkeys(
        ("m6i", "c6i", "r6i", "m7i", "c7i", "r7i"),
        ("large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge"),
    ),
}
_REAL_TIME = {
    "t2": ("medium", "large", "xlarge", "2xlarge"),
    "r5": ("large", "xlarge", "2xlarge", "4xlarge", "12xlarge", "24xlarge"),
}


def real_time_types() -> tuple[str, ...]:
    """Those of endpoints."""
    return (*_types(_REAL_TIME), *transform_types(), "ml.c5.large")


def transform_types() -> tuple[str, ...]:
    """Those of batch transform jobs."""
    return _types(_BOTH)


def _types(families: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(f"ml.{family}.{size}" for family, sizes in families.items() for size in sizes)

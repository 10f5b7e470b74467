"""Botocore's models of AWS's services, parsed once.

Each session of botocore parses the files again: half of the time of a command, which has one
session, and much of that of a test, which has several.
"""

import functools

from botocore.loaders import JSONFileLoader, Loader, create_loader

_SERVICES = (
    *("sagemaker", "sagemaker-runtime", "s3", "sts", "iam", "ecr", "logs"),
    *("application-autoscaling", "cloudwatch", "resourcegroupstaggingapi"),
)
_FILES = ("service-2", "endpoint-rule-set-1")


def keep_parsed():
    """Let all sessions in this process share what one of them has parsed or listed."""
    load = functools.cache(functools.partial(JSONFileLoader._load_file, JSONFileLoader()))
    JSONFileLoader._load_file = lambda _, *arguments: load(*arguments)
    listed = functools.cache(create_loader().list_available_services)
    Loader.list_available_services = lambda _, name: listed(name)


def parse_all():
    """Parse the models that commands use."""
    loader = create_loader()
    for name in ("endpoints", "partitions"):
        loader.load_data(name)
    for service in _SERVICES:
        for file in _FILES:
            loader.load_service_model(service, file)

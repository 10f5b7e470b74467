"""From laptop to SageMaker: what ``forest`` does in an AWS account.

Each command is a folder of up to three modules: ``cli`` (its options), ``plan`` (options and what
exists -> steps, which are data) and ``run`` (what the executor does not do by itself). With
``--dry-run`` the steps that the executor would run are printed. Only ``client`` imports boto3;
nothing here imports numpy. Start with ``step``, then read ``deploy`` from top to bottom.
"""

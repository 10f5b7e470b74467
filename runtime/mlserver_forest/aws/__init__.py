"""From laptop to SageMaker: what ``forest`` does in an AWS account.

Each command is a folder of up to three modules: ``cli`` has its options, ``plan`` turns the
options and what exists into steps, which are data, and ``run`` does what the executor cannot do by
itself. With ``--dry-run``, the steps that the executor would run are printed. Only ``client``
imports boto3; nothing here imports numpy. Start with ``step``, then read ``deploy`` from top to
bottom.
"""

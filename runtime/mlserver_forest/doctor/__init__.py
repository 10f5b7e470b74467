"""``forest doctor``: replays SageMaker on this machine and reports which of its rules are kept.

It needs Docker for images and HTTP for servers, and knows no AWS. Start with ``diagnosis``, which
goes from the options to the findings; ``rules`` has the contract, and ``*_checks`` the
checks, which ``examination`` runs on one server after another.
"""

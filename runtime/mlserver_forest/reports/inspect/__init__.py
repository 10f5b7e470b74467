"""What a model directory holds, for a person: ``forest inspect``. Start with ``model_summary``."""

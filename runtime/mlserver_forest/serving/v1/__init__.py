"""KServe's V1 protocol, which TensorFlow Serving began: /v1/models."""

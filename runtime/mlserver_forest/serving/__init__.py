"""The server: one pipeline behind SageMaker's routes, V2 over REST and V2 over gRPC.

Start with ``pipeline.py``; ``server.py`` puts everything together. The folders hold HTTP
(``http/``), SageMaker's and V2's protocols (``sagemaker/``, ``v2/``), the loaded models
(``models/``), the processes (``process/``), what is counted (``metrics/``), and a page to try a
model on (``playground/``). Formats and models are elsewhere: nothing here parses a table.
"""

from mlserver_forest.serving.mlserver_parts import import_parts_alone

import_parts_alone()

# The commands of a contributor: `just` lists them. `just setup` comes first.

python := ".venv/bin/python"

# List the commands.
default:
    @just --list --unsorted

# Make .venv with the pinned dependencies, the package as links, and the commit hook.
setup:
    python3 -m venv .venv
    .venv/bin/pip install --quiet --disable-pip-version-check -c requirements.lock -e '.[test]'
    .venv/bin/pre-commit install

# Format and lint, as CI does.
lint:
    .venv/bin/ruff format --check .
    .venv/bin/ruff check .

# Check types, as CI does.
types:
    .venv/bin/mypy

# Run the tests of what differs from the main branch, or all fast ones: `just quick`, `just quick all`.
quick scope="changed":
    {{ python }} tests/quick.py {{ scope }}

# Run tests by path or name: `just test tests/formats -k header`.
test *arguments:
    .venv/bin/pytest {{ arguments }}

# Run the tests with MLflow of a major version, 2 or 3: `just mlflow 2`.
mlflow version="3":
    MLFLOW_VERSION={{ version }} .venv/bin/pytest -n 0 tests/with_mlflow

# Run the example of Spark in pyspark's local mode, which takes a Java runtime.
spark:
    WITH_SPARK=1 .venv/bin/pytest -n 0 tests/scoring/test_spark_page.py

# Run a benchmark: `just bench serving`.
bench name *options:
    {{ python }} -m tests.benchmarks {{ name }} {{ options }}

# Build the image.
image tag="mlserver-forest":
    docker build -f container/Dockerfile -t {{ tag }} ${BASE_IMAGE:+--build-arg BASE_IMAGE=$BASE_IMAGE} .

# Resolve the dependencies again: requirements.lock, and from it what the image installs by hash.
lock: && lock-image
    .venv/bin/pip install --quiet --disable-pip-version-check uv==0.13.9
    .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --extra test --extra intelex pyproject.toml -o requirements.lock

# Resolve what the image installs, in the versions of requirements.lock, with the hashes of every platform.
lock-image:
    .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --extra train --extra aws --extra mlflow --extra intelex -c requirements.lock pyproject.toml -o container/requirements.lock
    .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate -c requirements.lock container/serve-requirements.in -o container/serve-requirements.lock
    .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate container/build-requirements.in -o container/build-requirements.lock

# Follow every command and request of README and docs.
docs:
    .venv/bin/pytest tests/test_docs.py tests/test_readme.py tests/test_docs_hyperparameters.py

# Lint, types and the whole suite, as CI runs them.
ci:
    bash .ci/run

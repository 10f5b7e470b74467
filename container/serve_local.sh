#!/bin/sh
# Serves a trained model in the image as SageMaker would, with nothing writable.
#
#   container/serve_local.sh [IMAGE] [ML]     default: mlserver-forest ./ml
#
# HTTP on port 8080 (HTTP_PORT), V2 gRPC on 8081 (GRPC_PORT). Ctrl-C ends it.
set -eu
image=${1:-mlserver-forest}
ml=${2:-ml}
if [ ! -d "$ml/model" ]; then
  echo "serve_local.sh: there is no folder $ml/model (from $(pwd)); run train_local.sh first" >&2
  exit 2
fi

model=$(CDPATH='' cd -- "$ml/model" && pwd -P)
exec docker run --rm --read-only \
  -p "${HTTP_PORT:-8080}:8080" -p "${GRPC_PORT:-8081}:8081" \
  -v "$model:/opt/ml/model:ro" "$image" serve

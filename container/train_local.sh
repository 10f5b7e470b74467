#!/bin/sh
# Trains in the image as SageMaker would: docker run -v ML:/opt/ml IMAGE train
#
#   container/train_local.sh [IMAGE] [ML]     default: mlserver-forest ./ml
#
# ML is laid out like /opt/ml. If it has no input yet, iris.csv is put there.
set -eu
image=${1:-mlserver-forest}
ml=${2:-ml}

if [ ! -d "$ml/input" ]; then
  mkdir -p "$ml/input/config" "$ml/input/data/training"
  cp "$(dirname "$0")/../data/iris.csv" "$ml/input/data/training/"
  echo '{"random_state": "0"}' >"$ml/input/config/hyperparameters.json"
  echo '{"training": {"TrainingInputMode": "File", "ContentType": "text/csv"}}' \
    >"$ml/input/config/inputdataconfig.json"
fi
mkdir -p "$ml/model" "$ml/output"
exec docker run --rm --user "$(id -u):$(id -g)" -v "$(CDPATH='' cd -- "$ml" && pwd -P):/opt/ml" "$image" train

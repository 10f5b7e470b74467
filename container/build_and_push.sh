#!/bin/sh
# Builds the image, creates the ECR repository if it is missing, and pushes: forest push.
#
#   container/build_and_push.sh [NAME[:TAG]] [OPTION...]     default: sagemaker-mlserver-forest
#
# Tags are never moved, but latest is; each image has a tag of its own, too. Prints the image's URI
# with its digest. Needs Docker, AWS credentials and a region as boto3 finds them, and this package
# installed in .venv, as the README's first command does it, or `forest` on the path.
# BASE_IMAGE replaces the Dockerfile's base image.
set -eu
image=sagemaker-mlserver-forest
if [ $# -gt 0 ] && [ "${1#-}" = "$1" ]; then
  image=$1
  shift
fi
name=${image%%:*}
tag=
[ "$name" = "$image" ] || tag=${image#*:}
cd "$(dirname "$0")/.."
forest=forest
if [ -x .venv/bin/forest ]; then forest=.venv/bin/forest; fi

exec "$forest" push --repository "$name" ${tag:+--tag "$tag"} \
  ${BASE_IMAGE:+--build-arg "BASE_IMAGE=$BASE_IMAGE"} "$@"

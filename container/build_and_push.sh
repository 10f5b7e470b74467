#!/usr/bin/env bash
# Builds the image, creates the ECR repository if it is missing, and pushes.
#
#   container/build_and_push.sh [NAME[:TAG]]     default: mlserver-forest:latest
#
# Needs Docker, AWS credentials and a region as boto3 finds them, and this package installed
# in .venv, as the README's first command does it, or for $PYTHON. BASE_IMAGE replaces the Dockerfile's base image.
set -euo pipefail
image=${1:-mlserver-forest}
name=${image%%:*}
tag=latest
[ "$name" = "$image" ] || tag=${image#*:}
cd "$(dirname "$0")/.."
[ -x .venv/bin/python ] && python=.venv/bin/python || python=python3

credentials=$("${PYTHON:-$python}" -m mlserver_forest.deployment.client "$name")
{ read -r uri; read -r user; read -r password; } <<<"$credentials"

docker build ${BASE_IMAGE:+--build-arg "BASE_IMAGE=$BASE_IMAGE"} -f container/Dockerfile -t "$uri:$tag" .
docker login --username "$user" --password-stdin "${uri%%/*}" <<<"$password"
docker push "$uri:$tag"

#!/bin/sh
# Sends a file to a server on this machine as SageMaker would.
#
#   container/predict.sh PAYLOAD [CONTENT_TYPE] [ACCEPT]     default: text/csv */*
#
# PAYLOAD is a file, or - for standard input.
# The server is http://localhost:8080 (URL).
set -eu
if [ $# -eq 0 ]; then
  echo "usage: container/predict.sh PAYLOAD [CONTENT_TYPE] [ACCEPT]" >&2
  exit 2
fi
payload=$1
if [ "$payload" != - ] && { [ ! -r "$payload" ] || [ -d "$payload" ]; }; then
  echo "predict.sh: there is no readable file $payload (from $(pwd))" >&2
  exit 2
fi

exec curl --silent --show-error --fail-with-body \
  --header "Content-Type: ${2:-text/csv}" --header "Accept: ${3:-*/*}" \
  --data-binary "@$payload" "${URL:-http://localhost:8080}/invocations"

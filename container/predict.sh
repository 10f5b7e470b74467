#!/usr/bin/env bash
# Sends a file to a server on this machine as SageMaker would.
#
#   container/predict.sh PAYLOAD [CONTENT_TYPE] [ACCEPT]     default: text/csv */*
#
# The server is http://localhost:8080 (URL).
set -euo pipefail
payload=${1:?usage: container/predict.sh PAYLOAD [CONTENT_TYPE] [ACCEPT]}

exec curl --silent --show-error --fail-with-body \
  --header "Content-Type: ${2:-text/csv}" --header "Accept: ${3:-*/*}" \
  --data-binary "@$payload" "${URL:-http://localhost:8080}/invocations"

#!/bin/sh
# Tries the whole life cycle on AWS itself, in about twenty minutes and for about 0.10 USD.
#
#   container/try_on_aws.sh ROLE [FOLDER]     default: try-on-aws
#
# ROLE is the name or ARN of SageMaker's role. It needs AWS credentials and a region as boto3 finds
# them, this package installed in .venv or `forest` on the path, and Docker, unless IMAGE is the URI of
# an image in ECR. FOLDER gets a report with a line for each step, its seconds and its outcome, and what
# each command said. The endpoints are deleted at the end, after a failure and after Ctrl-C; what stays
# costs next to nothing: the image in ECR, and the data and the model in S3.
set -eu
[ $# -ge 1 ] || { echo "usage: $0 ROLE [FOLDER]" >&2; exit 2; }
role=$1
here=$(cd "$(dirname "$0")/.." && pwd)
forest=forest
if [ -x "$here/.venv/bin/forest" ]; then forest=$here/.venv/bin/forest; fi
mkdir -p "${2:-try-on-aws}"
cd "${2:-try-on-aws}"
name=${NAME:-try-$(date +%m%d-%H%M)}
: >report.txt

# step WHAT COMMAND...: run it, with its output in a file; the first failure ends the script.
step() {
  what=$1
  shift
  number=$((${number:-0} + 1))
  began=$(date +%s)
  if "$@" >"$number.out" 2>"$number.err"; then outcome=ok; else outcome=FAILED; fi
  echo "$number. $outcome, $(($(date +%s) - began)) s: $what" | tee -a report.txt
  [ "$outcome" = ok ] || { tail -n 20 "$number.err" | tee -a report.txt >&2; exit 1; }
}

clean_up() {
  code=$?
  trap - EXIT INT TERM
  for one in "$name" "$name-serverless"; do
    "$forest" delete "$one" --yes --missing-ok >>clean-up.out 2>&1 || {
      echo "left: endpoint $one; delete it: forest delete $one" | tee -a report.txt >&2
      code=1
    }
  done
  echo "report: $(pwd)/report.txt"
  exit "$code"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

push() { (cd "$here" && "$forest" push); }
same() { cmp "$1" "$2" && grep -q . "$1"; }
ask() { "$forest" invoke "$1" "$here/data/payload.csv" --accept text/csv >"$2"; }

[ -n "${IMAGE:-}" ] || step "an image in ECR" push
step "a training job" "$forest" fit "$here/data/iris.csv" --name "$name" --role "$role" \
  -p algorithm=random_forest -p n_estimators=100 ${IMAGE:+--image "$IMAGE"}
step "its log" "$forest" logs "$name" --kind training-job
step "a version in the registry" "$forest" register "$name" --group "$name"
step "its approval" "$forest" approve "$name" --reason "a trial" --yes
step "a real-time endpoint" "$forest" deploy "$name@approved" --name "$name" --role "$role"
step "answers in real time" ask "$name" real-time.csv
step "a batch job" "$forest" transform "$name" "$here/data/payload.csv" --role "$role" \
  --accept text/csv --download batch
step "its answers are the same" same real-time.csv batch/payload.csv.out
step "a serverless endpoint" "$forest" deploy "$name" --name "$name-serverless" --role "$role" \
  --serverless
step "answers without a server" ask "$name-serverless" serverless.csv
step "they are the same" same real-time.csv serverless.csv
step "an update, blue/green" "$forest" deploy "$name@approved" --name "$name" --env MODEL_SERVER_TIMEOUT=50 --yes
step "its state" "$forest" status "$name"
step "a rollback" "$forest" rollback "$name" --yes
step "answers after the rollback" ask "$name" again.csv
step "they are the same" same real-time.csv again.csv
step "what exists" "$forest" list
step "what it costs" "$forest" cost
step "the endpoint as code" "$forest" export "$name" --terraform --out "$name.tf"
step "the end of the endpoint" "$forest" delete "$name" --yes
step "the end of the serverless one" "$forest" delete "$name-serverless" --yes
step "the end of the version" "$forest" delete "$name" --kind model-package-group --yes

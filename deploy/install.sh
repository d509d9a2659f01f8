#!/usr/bin/env bash
# Installs the project on one host of a cluster: `ray up` runs it on the head and on each worker.
# A second call brings an environment up to date.
#
# usage: deploy/install.sh ENVIRONMENT        (cluster.yaml uses ~/.ttur/venv)
#
# Python must be 3.11 or newer, and the same minor version on all hosts (Ray insists); PYTHON chooses it.
set -euo pipefail

environment="${1:?the folder of the virtual environment}"
source="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"

[[ -x "$environment/bin/pip" ]] || "${PYTHON:-python3}" -m venv --clear "$environment"
"$environment/bin/pip" install --quiet "${source}[fid,cluster]"

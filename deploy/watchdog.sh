#!/usr/bin/env bash
# Keeps a study going until it is finished: brings the head up again if it is gone, and launches the study
# again if no driver runs it. Call it from a timer (cron, systemd) on a machine that outlives the cluster, in
# a shell that knows the cluster (deploy/env.sh) and from the top of the repository. It would also launch a
# study again that was stopped on purpose: end the timer first.
#
# usage: deploy/watchdog.sh CLUSTER_FILE SPEC
set -euo pipefail

cluster="${1:?the cluster file}"
spec="${2:?the spec of the study}"
head="${TTUR_HEAD:?source deploy/env.sh first}"
port=8265
tries=4
pause="${TTUR_WATCHDOG_PAUSE:-10}" # seconds

# Gone is a head that takes no connection. One that is busy, or refuses this shell's token, takes them.
gone() {
    local try
    for ((try = 1; try <= tries; try++)); do
        if timeout 10 bash -c "exec 3<>/dev/tcp/$head/$port" 2>/dev/null; then
            return 1
        fi
        ((try == tries)) || sleep "$pause"
    done
}

# Whether every arm has the budget that the spec gives it; no, if the record does not know or is away.
finished() {
    python - "$spec" <<-'PYTHON'
	import json, subprocess, sys
	from study.api import read_spec

	spec = read_spec(sys.argv[1])
	ask = ["timeout", "120", "ttur", "status", spec.name, "--json"]
	asked = subprocess.run(ask, stdout=subprocess.PIPE)
	if asked.returncode:
	    sys.exit(1)
	status = json.loads(asked.stdout)
	budgets = {name: arm["budget"] for name, arm in status["arms"].items()}
	wanted = {name: arm.trials for name, arm in spec.arms.items()}
	sys.exit(0 if status["state"] == "finished" and budgets == wanted else 1)
	PYTHON
}

# One at a time: two timers would bring the same head up twice. The lock is this shell's alone (9>&-), as
# the ssh connections of `ray up` live on for a while.
mkdir -p ~/.ttur
exec 9>~/.ttur/"watchdog-$head.lock"
if ! flock --timeout 600 9; then
    echo "another watchdog of $head has been at work for 10 minutes" >&2
    exit 1
fi

if finished 9>&-; then
    echo "$spec is finished; nothing is left to watch"
    exit 0
fi
# `ray up` restarts Ray, and so every trial, where all is well: it is for a head that is gone.
if gone 9>&-; then
    ray up --yes "$cluster" 9>&-
fi
ttur launch "$spec" --address "http://$head:$port" 9>&-

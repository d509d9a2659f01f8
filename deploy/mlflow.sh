#!/usr/bin/env bash
# MLflow's tracking server with passwords, on PostgreSQL. Starting it twice is harmless.
#
# usage: deploy/mlflow.sh start FOLDER ADDRESS PORT DATABASE ARTIFACTS
#        deploy/mlflow.sh stop FOLDER
#
# FOLDER    its log, its process number and its configuration
# ADDRESS   listens on this address alone
# DATABASE  HOST:PORT of the PostgreSQL that deploy/postgresql.sh started
# ARTIFACTS where it keeps the files of runs: a folder on shared storage or a bucket (s3://...)
#
# The user ttur and its password ($TTUR_SECRETS/mlflow_password) are made at the first start.
set -euo pipefail

action="${1:?start or stop}"
folder="${2:?the folder of the server}"
secrets="${TTUR_SECRETS:-$HOME/.ttur/secrets}"

# In a session of its own, so the number of the server is that of its whole process group.
running() { [[ -f "$folder/pid" ]] && grep -qs mlflow "/proc/$(cat "$folder/pid")/cmdline"; }

case "$action" in
start)
    address="${3:?the address to listen on}"
    port="${4:?the port}"
    database="postgresql+psycopg://ttur@${5:?HOST:PORT of PostgreSQL}"
    artifacts="${6:?where the files of runs are kept}"
    if running; then
        echo "MLflow listens on $address:$port"
        exit 0
    fi
    mkdir -p "$folder"
    printf '%s\n' '[mlflow]' 'default_permission = NO_PERMISSIONS' 'admin_username = ttur' \
        "database_uri = $database/mlflow_auth" 'grant_default_workspace_access = false' \
        'authorization_function = mlflow.server.auth:authenticate_request_basic_auth' \
        >"$folder/auth.ini"
    export PGPASSFILE="$secrets/pgpass" MLFLOW_DISABLE_TELEMETRY=true
    # Its own job queue is five more processes that no study needs.
    export MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false
    export MLFLOW_AUTH_CONFIG_PATH="$folder/auth.ini" MLFLOW_BACKEND_STORE_URI="$database/mlflow"
    MLFLOW_AUTH_ADMIN_PASSWORD="$(cat "$secrets/mlflow_password")"
    MLFLOW_FLASK_SERVER_SECRET_KEY="$(cat "$secrets/mlflow_flask_key")"
    export MLFLOW_AUTH_ADMIN_PASSWORD MLFLOW_FLASK_SERVER_SECRET_KEY
    setsid mlflow server --app-name basic-auth --host "$address" --port "$port" --workers 1 \
        --allowed-hosts "$address,$address:*" --artifacts-destination "$artifacts" \
        </dev/null >>"$folder/server.log" 2>&1 &
    echo $! >"$folder/pid"
    # On a busy host it may take minutes.
    for _ in $(seq 300); do
        if curl --silent --fail --noproxy '*' "http://$address:$port/health" >/dev/null; then
            echo "MLflow listens on $address:$port"
            exit 0
        fi
        running || break
        sleep 1
    done
    echo "MLflow did not come up; its last words ($folder/server.log):" >&2
    tail -n 20 "$folder/server.log" >&2
    exit 1
    ;;
stop)
    running && kill -- "-$(cat "$folder/pid")"
    rm -f "$folder/pid"
    ;;
*)
    echo "unknown action $action: start or stop" >&2
    exit 2
    ;;
esac

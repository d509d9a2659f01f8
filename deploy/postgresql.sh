#!/usr/bin/env bash
# A PostgreSQL of our own: the record of the studies and MLflow's store. Starting it twice is harmless.
#
# usage: deploy/postgresql.sh start FOLDER ADDRESS PORT   make it if it is not there, start it
#        deploy/postgresql.sh stop FOLDER [immediate]     stop it and cut its clients off
#                                                         (immediate: as a crash would)
#
# It keeps its data in FOLDER, listens on ADDRESS alone, lets only hosts of ADDRESS's own network in,
# and asks them for a password (scram-sha-256). The password of its one user, ttur, is read from
# $TTUR_SECRETS/postgresql_password at each start. Its databases: ttur (the record), mlflow and
# mlflow_auth. PostgreSQL refuses to run as root, so root runs it as the system's user postgres.
set -euo pipefail

action="${1:?start or stop}"
folder="${2:?the folder of the data}"
secrets="${TTUR_SECRETS:-$HOME/.ttur/secrets}"

tool() {
    local found
    found="$(command -v "$1" || find /usr/lib/postgresql/*/bin -name "$1" 2>/dev/null | sort -V | tail -n 1)"
    if [[ -z "$found" ]]; then
        echo "PostgreSQL's $1 was not found; install the package postgresql on this host" >&2
        exit 1
    fi
    echo "$found"
}

as_owner() {
    if [[ "$(id -u)" == 0 ]]; then
        (cd / && runuser -u postgres -- "$@")
    else
        "$@"
    fi
}

control() { as_owner "$(tool pg_ctl)" --pgdata="$folder/data" --wait "$@"; }

create() {
    mkdir -p "$folder/data"
    chmod 755 "$folder"
    chmod 700 "$folder/data"
    if [[ "$(id -u)" == 0 ]]; then
        chown -R postgres "$folder"
    fi
    # Its superuser is the system's user that runs it, and can come in through the socket only.
    as_owner "$(tool initdb)" --pgdata="$folder/data" --encoding=UTF8 --auth=reject >"$folder/initdb.log"
    as_owner tee "$folder/data/pg_hba.conf" >/dev/null <<-HBA
	local all all peer
	host ttur,mlflow,mlflow_auth ttur samenet scram-sha-256
	HBA
}

# A host that lost its power leaves locks with the number of a process that may be another program's now.
# pg_ctl and PostgreSQL take any living process of the same user for the server. The server itself is
# called postgres and runs in its data; a lock whose process is dead is PostgreSQL's own matter.
forget_dead_locks() {
    local lock="$folder/data/postmaster.pid" pid place
    [[ -f "$lock" ]] || return 0
    pid="$(head -n 1 "$lock")"
    [[ -d "/proc/$pid" ]] || return 0
    # As its owner: without rights over other users' processes even root may not see it.
    place="$(as_owner readlink "/proc/$pid/cwd" 2>/dev/null || true)"
    if [[ "$(cat "/proc/$pid/comm")" != postgres || (-n "$place" && ! "$place" -ef "$folder/data") ]]; then
        rm -f "$lock" "$folder"/.s.PGSQL.*.lock
    fi
}

# What pg_ctl hands on goes through a shell, and the setting is a list of folders.
socket_folder() { printf "'unix_socket_directories=\"%s\"'" "${folder//\'/\'\\\'\'}"; }

# The password goes through standard input: command lines can be read by every user of the host. A statement
# that fails would be logged with it, and so would be one that takes long.
grant() {
    local password
    password="$(cat "$secrets/postgresql_password")"
    password="${password//\'/\'\'}"
    as_owner "$(tool psql)" --host="$folder" --port="$1" --dbname=postgres --quiet --no-psqlrc \
        --set=ON_ERROR_STOP=1 >/dev/null <<-SQL
	SELECT 'CREATE ROLE ttur LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'ttur') \gexec
	\set VERBOSITY terse
	SET log_min_error_statement = panic;
	SET log_min_duration_statement = -1;
	SET log_statement = none;
	SET password_encryption = 'scram-sha-256';
	ALTER ROLE ttur PASSWORD '$password';
	SELECT format('CREATE DATABASE %I OWNER ttur', name)
	    FROM unnest(ARRAY['ttur', 'mlflow', 'mlflow_auth']) AS name
	    WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = name) \gexec
	SQL
}

case "$action" in
start)
    address="${3:?the address to listen on}"
    port="${4:?the port}"
    [[ -f "$folder/data/PG_VERSION" ]] || create
    forget_dead_locks
    if ! control status >/dev/null; then
        control start --silent --log="$folder/server.log" --options="-c listen_addresses=$address \
            -c port=$port -c $(socket_folder)" </dev/null
    fi
    grant "$port"
    echo "PostgreSQL listens on $address:$port"
    ;;
stop)
    control stop --silent --mode="${3:-fast}"
    ;;
*)
    echo "unknown action $action: start or stop" >&2
    exit 2
    ;;
esac

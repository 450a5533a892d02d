# A PostgreSQL server of its own for one run of the tests: in a temporary folder, on a free port, for this machine only.
# Sourced by tests/run. `start_postgres` sets `postgres_port`; `stop_postgres` leaves nothing behind.

postgres_folder=""
postgres_port=""

start_postgres() {
  postgres_bin="$(find_postgres)"
  postgres_folder="$(mktemp -d "${TMPDIR:-/tmp}/relance-postgres.XXXXXX")"
  # PostgreSQL refuses to run as root; the package made this user.
  ((EUID != 0)) || chown postgres "$postgres_folder"
  quietly as_postgres "$postgres_bin/initdb" --pgdata "$postgres_folder/data" --username postgres --auth trust \
    --encoding UTF8 --locale C.UTF-8 --no-sync --no-instructions

  # A port is free when the server can bind it: try, and take another when it cannot.
  local _attempt
  for _attempt in {1..10}; do
    postgres_port=$((20000 + RANDOM % 10000))
    if as_postgres "$postgres_bin/pg_ctl" start --wait --timeout 60 --silent --pgdata "$postgres_folder/data" \
      --log "$postgres_folder/log" --options "-c listen_addresses=127.0.0.1 -c port=$postgres_port \
      -c unix_socket_directories= -c max_connections=200 -c shared_buffers=64MB" >/dev/null 2>&1; then
      return
    fi
  done
  echo "error: the PostgreSQL server did not start; the end of its log:" >&2
  tail -n 20 "$postgres_folder/log" >&2
  exit 1
}

stop_postgres() {
  [[ -n "$postgres_folder" ]] || return 0
  as_postgres "$postgres_bin/pg_ctl" stop --mode immediate --silent --pgdata "$postgres_folder/data" \
    >/dev/null 2>&1 || true
  rm -rf "$postgres_folder"
}

# From `/`, because the user may not be allowed to enter the folder of the project.
as_postgres() {
  if ((EUID == 0)); then (cd / && runuser -u postgres -- "$@"); else (cd / && "$@"); fi
}

"""Which [pgbouncer] settings belong to the stack, and which of the rest need a new process."""

from __future__ import annotations

_AUTH = "authentication is built by the stack"
_POOLS = "use max_backends, session_backends and services.*.pool_size"
_SOCKETS = "sockets and slots are chosen by the start script"
_LOG = "the container logs to stdout"

FORCED_KEYS: dict[str, str] = {
    "admin_users": "the console is reached through the container: make console",
    "auth_dbname": _AUTH,
    "auth_file": _AUTH,
    "auth_hba_file": _AUTH,
    "auth_ident_file": _AUTH,
    "auth_ldap_options": _AUTH,
    "auth_query": _AUTH,
    "auth_type": _AUTH,
    "auth_user": _AUTH,
    "conffile": _SOCKETS,
    "default_pool_size": _POOLS,
    "listen_addr": "the pooler listens inside its network only; use ports to publish it",
    "listen_port": "use port",
    "logfile": _LOG,
    "max_client_conn": "use limits.max_client_conn",
    "max_db_connections": _POOLS,
    "max_user_connections": _POOLS,
    "min_pool_size": _POOLS,
    "peer_id": _SOCKETS,
    "pidfile": _SOCKETS,
    "pool_mode": "use services.*.route",
    "reserve_pool_size": _POOLS,
    "server_reset_query": "it puts back the setting that keeps the backend cap",
    "stats_users": "use metrics, or the console",
    "syslog": _LOG,
    "syslog_facility": _LOG,
    "syslog_ident": _LOG,
    "unix_socket_dir": _SOCKETS,
    "unix_socket_group": _SOCKETS,
    "unix_socket_mode": _SOCKETS,
    "user": "use run_as",
}
"""Setting → what to use in its place."""

RESTART_ONLY_KEYS: frozenset[str] = frozenset(
    {
        "disable_pqexec",
        "job_name",
        "listen_backlog",
        "pkt_buf",
        "resolv_conf",
        "service_name",
        "so_reuseport",
        "track_extra_parameters",
    }
)
"""Free settings that a RELOAD ignores silently (CF_NO_RELOAD in PgBouncer's main.c)."""

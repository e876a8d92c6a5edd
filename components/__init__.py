"""PgBouncer in front of one shared Postgres: settings, rendered text and Pulumi components."""

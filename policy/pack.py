"""The policy pack: its rules, served to the engine."""

from __future__ import annotations

from marks import keep_marks
from pooler_policy import (
    cap,
    clear_secrets,
    hardening,
    image,
    known_secrets,
    ports,
    secret_files,
    superusers,
    wildcard,
)
from pulumi_policy import PolicyPack
from wiring import on_each_resource, on_the_stack


def serve() -> None:
    """Until the engine ends the process."""
    keep_marks()
    PolicyPack(
        name="pgbouncer-stack",
        policies=[
            on_each_resource(image.PINNED),
            on_each_resource(image.DIGEST),
            on_each_resource(ports.RULE),
            on_each_resource(hardening.RULE),
            on_each_resource(clear_secrets.RULE),
            on_the_stack(known_secrets.RULE),
            on_each_resource(secret_files.RULE),
            on_each_resource(cap.RULE),
            on_each_resource(wildcard.RULE),
            on_the_stack(superusers.RULE),
        ],
    )

"""`make review`: from a stack to the Markdown of its comment."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components import outputs
from components.budget import prove
from components.settings import Settings, SettingsError, load
from review import facts, markdown, plan, warnings
from review.cli import Pulumi
from review.redact import Secrets
from review.state import State, plain_outputs, secret_outputs
from review.words import Update
from toolchain.problem import Problem
from toolchain.stack import own_values

DSN = "_dsn"


@dataclass(frozen=True)
class Review:
    """The comment, and whether the preview succeeded."""

    markdown: str
    succeeded: bool


def review(pulumi: Pulumi, *, destroy: bool = False) -> Review:
    """Preview the stack, or its removal; whatever goes wrong becomes the comment, without a secret."""
    config: Mapping[str, Any] = {}
    secrets = Secrets()
    try:
        config = pulumi.config()
        state = pulumi.state()
        secrets = Secrets.of(config, state)
        planned = _planned(pulumi, destroy=destroy)
        text = _comment(pulumi.stack, planned, config, state, secrets, destroy=destroy)
    except (Problem, plan.PlanError, SettingsError) as wrong:
        said = list(warnings.of_image(warnings.image_of(config)))
        failed = markdown.of_failure(pulumi.stack, secrets.hide(str(wrong)), said)
        return Review(secrets.hide(failed), succeeded=False)
    return Review(secrets.hide(text), succeeded=True)


def _planned(pulumi: Pulumi, *, destroy: bool) -> plan.Plan:
    """The plan; Problem with the preview's own words when it failed."""
    ended = pulumi.preview(destroy=destroy)
    if not ended.returncode:
        return plan.read(ended.stdout)
    errors = plan.read(ended.stdout).errors if ended.stdout.lstrip().startswith("{") else ()
    raise Problem("\n".join(errors) or ended.stderr.strip() or "the preview failed and gave no reason")


def _comment(
    stack: str,
    planned: plan.Plan,
    config: Mapping[str, Any],
    state: State,
    secrets: Secrets,
    *,
    destroy: bool,
) -> str:
    settings = load(own_values(config))
    budget = prove(settings)
    # Hidden before it is escaped: afterwards a secret might be spelt in yet another way.
    before = facts.of_outputs(secrets.hidden(plain_outputs(state)))
    if destroy:
        update = Update(planned, before, facts.Facts(), settings)
        return markdown.of_update(stack, update, [])
    after = facts.of_outputs(secrets.hidden(outputs.plain(settings, budget)))
    update = Update(planned, before, after, settings, _new_dsns(secret_outputs(state), settings))
    said = warnings.of_update(settings, budget, before.restart_only.get("image", ""))
    return markdown.of_update(stack, update, list(map(secrets.hide, said)))


def _new_dsns(before: Mapping[str, Any], settings: Settings) -> frozenset[str]:
    """Names only: which services will be handed another DSN than now."""
    after = outputs.connection_strings(settings)
    return frozenset(
        name
        for name, service in settings.services.items()
        if f"{name}{DSN}" in before and before[f"{name}{DSN}"] != after[name][service.route.value]
    )


def put(text: str, out: Path) -> None:
    """Write the file in one step: a reader sees the old comment or the new one."""
    try:
        descriptor, staged = tempfile.mkstemp(prefix=f".{out.name}.", dir=out.parent)
    except OSError as refused:
        raise Problem(
            f"OUT={out}: cannot be written ({refused.strerror}); name a file in a folder that exists"
        ) from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    Path(staged).chmod(0o644)  # mkstemp's 0600 is for secrets, and there is none in it
    Path(staged).replace(out)

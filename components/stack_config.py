"""The stack's configuration as Pulumi hands it over, and what the engineer reads about it before anything happens."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
from pulumi.runtime.config import CONFIG, get_config_env, get_config_secret_keys_env, is_config_secret

from components import preflight
from components.budget import Budget, prove
from components.entries import divide
from components.settings import Settings, SettingsError, load
from components.warnings import warnings


def read() -> tuple[Settings, Budget]:
    """Settings and proved budget; RunError with every finding, in a preview from the configuration alone."""
    prefix = f"{pulumi.get_project()}:"
    # Config.get knows single keys only: an unknown key is seen in the whole map
    values = {**get_config_env(), **CONFIG.get()}
    secret = {*get_config_secret_keys_env(), *filter(is_config_secret, values)}
    try:
        _refuse_clear_secrets(
            {key.removeprefix(prefix): text for key, text in values.items() if key not in secret}
        )
        settings = load(
            {key.removeprefix(prefix): text for key, text in values.items() if key.startswith(prefix)}
        )
        divide(settings)
        budget = prove(settings)
        if not pulumi.runtime.is_dry_run():
            preflight.check(settings, pulumi.get_stack())
    except SettingsError as refused:
        raise pulumi.RunError(f"the stack's configuration cannot be deployed:\n{refused}") from None
    for warning in warnings(settings, budget):
        pulumi.log.warn(warning)
    return settings, budget


def _refuse_clear_secrets(values: Mapping[str, str]) -> None:
    """Pulumi demands --secret for keys without a default only; a password in clear would sit in a committed file."""
    findings = [
        f"{key}: is stored in clear in Pulumi.{pulumi.get_stack()}.yaml; "
        f"remove it there, change the password, and set it with `pulumi config set --secret {example}`"
        for key, example in (("admin_password", "admin_password"), ("passwords", "--path 'passwords.USER'"))
        if values.get(key, "{}") != "{}"
    ]
    if findings:
        raise SettingsError("\n".join(findings))


def refusing_hook(settings: Settings) -> pulumi.ResourceHook:
    """Hook for the first database object: nothing of the same name may be there without being in the state."""

    def refuse(_: pulumi.ResourceHookArgs) -> None:
        preflight.refuse_existing(settings)

    return pulumi.ResourceHook("refuse-existing", refuse)

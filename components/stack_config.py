"""The stack's configuration as Pulumi hands it over, and what the engineer reads about it before anything happens."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

import pulumi
from pulumi.runtime.config import CONFIG, get_config_env, get_config_secret_keys_env, is_config_secret

from components import preflight
from components.budget import Budget, overcommitment, prove
from components.dialects import DIALECTS
from components.entries import divide
from components.settings import Lane, Settings, SettingsError, load


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


def warnings(settings: Settings, budget: Budget) -> list[str]:
    """What can be deployed and should still be known; one sentence each."""
    found = []
    if budget.overcommitted:
        found.append(f"budget: {overcommitment(budget)}")
    pooled = [name for name, service in settings.services.items() if service.route is not Lane.DIRECT]
    for user in settings.superusers:
        services = [name for name in pooled if settings.services[name].user == user]
        if services:
            found.append(
                f"superusers: {', '.join(services)} log in as the superuser {user}; "
                "a role with rights on their tables only would do"
            )
    found += [
        f"services.{name}: query_wait_timeout and max_clients hold on its own entry, the transaction lane, "
        "and its route is session"
        for name, service in settings.services.items()
        if service.route is Lane.SESSION and (service.query_wait_timeout or service.max_clients)
    ]
    found += [
        f"services.{name}: {service.driver.value} on the {service.route.value} lane needs {left_out.what}, "
        f"which its DSN cannot carry: {left_out.reason}"
        for name, service in settings.services.items()
        for left_out in DIALECTS[service.driver].left_out
        if left_out.breaks and service.route in left_out.lanes
    ]
    if settings.ports:
        found.append(
            f"ports: {', '.join(settings.ports)} can be held by one container only, so an image upgrade cannot "
            "overlap: clients are cut off until the new pooler answers"
        )
    if settings.adopts:
        found.append(
            f"adopts: container {settings.adopts} and this pooler both answer to {settings.alias} until the former is "
            "stopped; so long their backends add up"
        )
    timeout = settings.settings.get("transaction_timeout", "0")
    if timeout.isdigit() and int(timeout) > settings.destroy_grace_seconds:
        found.append(
            f"destroy_grace_seconds: {settings.destroy_grace_seconds} is less than transaction_timeout ({timeout}); "
            "a stopping pooler would cut transactions that are still allowed to run"
        )
    if settings.admin_sslmode == "disable" and not _stays_on_this_host(settings):
        found.append(
            f"admin_sslmode: the connection to {settings.admin_host} is not encrypted; "
            "use require unless it stays on this host"
        )
    return found


def _stays_on_this_host(settings: Settings) -> bool:
    """Loopback, or the address of a container on an engine of this host."""
    if settings.admin_host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(settings.admin_host)
    except ValueError:
        return False
    engine_is_local = not settings.docker_host or settings.docker_host.startswith("unix://")
    return address.is_loopback or (address.is_private and engine_is_local)


def refusing_hook(settings: Settings) -> pulumi.ResourceHook:
    """Hook for the first database object: nothing of the same name may be there without being in the state."""

    def refuse(_: pulumi.ResourceHookArgs) -> None:
        preflight.refuse_existing(settings)

    return pulumi.ResourceHook("refuse-existing", refuse)

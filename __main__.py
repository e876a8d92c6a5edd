"""The stack, top to bottom: settings → providers → lookup → cap → pooler → metrics → verification → outputs."""

import pulumi

from components import expectations, ini, outputs, providers, stack_config
from components.auth import AuthLookup, AuthLookupArgs
from components.cap import CapSetting, CapSettingArgs
from components.jobs import Gate
from components.metrics import Metrics
from components.metrics_access import MetricsAccess, MetricsAccessArgs
from components.pooler import Pooler, PoolerArgs
from components.role_settings import RoleSettings, RoleSettingsArgs
from components.role_statements import role_statements
from components.service_passwords import ServicePasswords, ServicePasswordsArgs
from components.verification import Verification, VerificationArgs

settings, budget = stack_config.read()
on_engine = pulumi.ResourceOptions(providers=[providers.engine(settings)])
on_database = pulumi.ResourceOptions(providers=[providers.database(settings)])

lookup = AuthLookup(
    settings.name,
    AuthLookupArgs(
        names=settings.names,
        rotation=settings.rotation,
        users=settings.users(),
        superusers=settings.superusers,
        before_first_create=stack_config.refusing_hook(settings),
    ),
    on_database,
)

cap = CapSetting(
    settings.name,
    CapSettingArgs(
        access=providers.inside_network(settings),
        databases=settings.dbnames()[1:],
        interval_ms=ini.CHECK_INTERVAL_MS,
        depends_on=lookup.ready,
    ),
    on_engine,
)

gates: list[Gate] = [*lookup.ready, *cap.set]
if statements := role_statements(settings):
    roles = RoleSettings(
        settings.name,
        RoleSettingsArgs(
            access=providers.inside_network(settings), statements=statements, depends_on=lookup.ready
        ),
        on_engine,
    )
    gates.append(roles.set)

in_place: list[Gate] = []
if settings.managed_passwords:
    passwords = ServicePasswords(
        settings.name,
        ServicePasswordsArgs(
            access=providers.inside_network(settings),
            passwords={
                user: settings.passwords[user].get_secret_value() for user in settings.managed_passwords
            },
            depends_on=lookup.ready,
        ),
        on_engine,
    )
    in_place.append(passwords.set)

access = None
if settings.metrics:
    access = MetricsAccess(
        settings.name,
        MetricsAccessArgs(
            names=settings.names,
            rotation=settings.rotation,
            reads_postgres=settings.reads_postgres,
            depends_on=[*lookup.ready],
        ),
        on_database,
    )
    in_place.append(access)

userlist = pulumi.Output.all(lookup.password, access and access.stats_verifier).apply(
    lambda known: ini.render_userlist(settings, *known)
)
pooler = Pooler(
    settings.name,
    PoolerArgs(
        image=settings.image,
        user=settings.run_as,
        network=settings.network,
        alias=settings.alias,
        port=settings.port,
        published=settings.ports,
        memory_mb=settings.limits.memory_mb,
        cpus=settings.limits.cpus,
        nofile=settings.limits.nofile,
        destroy_grace_seconds=settings.destroy_grace_seconds,
        drain_seconds=settings.drain_seconds,
        ini=ini.render_ini(settings),
        hba=ini.render_hba(settings),
        userlist=userlist,
        restart_only=ini.render_restart_only(settings),
        depends_on=gates,
    ),
    on_engine,
)

if settings.metrics and access:
    Metrics(
        settings.name,
        providers.exporters(settings, settings.metrics, access, depends_on=[access, pooler.in_force]),
        on_engine,
    )

Verification(
    settings.name,
    VerificationArgs(
        image=settings.image,
        user=settings.run_as,
        network=settings.network,
        container=pooler.container_id,
        volumes=pooler.to_look_at,
        arguments=expectations.arguments(settings),
        files={
            # of the userlist only a hash is in there
            "declared": pulumi.Output.unsecret(
                userlist.apply(lambda text: expectations.declared(settings, text, during_update=True))
            ),
            **expectations.staged(settings),
        },
        secret_files=expectations.secret_files(settings),
        depends_on=[*in_place, pooler.in_force],
    ),
    on_engine,
)

outputs.export(settings, budget)

"""The stack, top to bottom: settings → providers → lookup → pooler → outputs."""

import pulumi

from components import ini, outputs, providers, stack_config
from components.auth import AuthLookup, AuthLookupArgs
from components.pooler import Pooler, PoolerArgs

settings, budget = stack_config.read()

lookup = AuthLookup(
    settings.name,
    AuthLookupArgs(
        names=settings.names,
        rotation=settings.rotation,
        users=settings.users(),
        superusers=settings.superusers,
        before_first_create=stack_config.refusing_hook(settings),
    ),
    pulumi.ResourceOptions(providers=[providers.database(settings)]),
)

Pooler(
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
        userlist=lookup.password.apply(lambda password: ini.render_userlist(settings, password)),
        restart_only=ini.render_restart_only(settings),
        depends_on=lookup.ready,
    ),
    pulumi.ResourceOptions(providers=[providers.engine(settings)]),
)

outputs.export(settings, budget)

"""Resources that the components register, on an engine that creates nothing."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pulumi
import pulumi_postgresql as postgresql
import pytest

from components.auth import AuthLookup, AuthLookupArgs
from components.names import DeploymentNames
from components.pooler import Pooler, PoolerArgs
from tests.unit.engine import (
    CONTAINER,
    GENERATED_PASSWORD,
    GRANT,
    GRANT_ROLE,
    ROLE,
    VOLUME,
    Engine,
    Exported,
    Registration,
    run,
)

JOBS = ("p-userlist", "p-write", "p-ready", "p-reload")
GENERATED_VERIFIER_START = "SCRAM-SHA-256$4096:AAECAwQFBgcICQoLDA0ODw==$"


# --- AuthLookup


def lookup(engine: Engine, rotation: int = 1) -> dict[str, Exported]:
    def program() -> None:
        found = AuthLookup(
            "p",
            AuthLookupArgs(
                names=DeploymentNames("pool", "app"),
                rotation=rotation,
                users=("web", "postgres"),
                superusers=("postgres",),
                before_first_create=pulumi.ResourceHook("refuse-existing", lambda _: None),
            ),
        )
        pulumi.export("password", found.password)
        pulumi.export("ready", pulumi.Output.all(*(item.urn for item in found.ready)))

    return run(engine, program)


def test_the_lookup_has_two_groups_and_one_auth_role(engine: Engine) -> None:
    lookup(engine)
    assert {engine.registered[name].inputs["name"] for name in engine.of_type(ROLE)} == {
        "pool_services",
        "pool_superusers",
        "pool_auth_a",
    }


@pytest.mark.parametrize("name", ["p-services", "p-superusers"])
def test_a_group_cannot_log_in(engine: Engine, name: str) -> None:
    lookup(engine)
    assert engine.registered[name].inputs["login"] is False


@pytest.mark.parametrize(("rotation", "slot"), [(1, "a"), (2, "b"), (3, "a")])
def test_each_rotation_takes_the_other_auth_role(engine: Engine, rotation: int, slot: str) -> None:
    lookup(engine, rotation)
    assert engine.registered[f"p-role-{slot}"].inputs["name"] == f"pool_auth_{slot}"


@pytest.mark.parametrize("resource", ["p-password-a", "p-salt-a"])
def test_a_rotation_back_to_the_first_role_has_a_new_password_and_salt(engine: Engine, resource: str) -> None:
    lookup(engine, 3)
    assert engine.registered[resource].inputs["keepers"] == {"rotation": "3"}


def test_the_server_gets_a_verifier_in_place_of_the_password(engine: Engine) -> None:
    lookup(engine)
    assert engine.registered["p-role-a"].inputs["password"].startswith(GENERATED_VERIFIER_START)


def test_the_verifier_is_secret(engine: Engine) -> None:
    lookup(engine)
    assert engine.registered["p-role-a"].secret_inputs == {"password"}


def test_the_generated_password_is_a_secret_output(engine: Engine) -> None:
    assert lookup(engine)["password"] == Exported(GENERATED_PASSWORD, secret=True)


def test_the_generated_password_is_no_input_of_the_lookup(engine: Engine) -> None:
    lookup(engine)
    assert [name for name, item in engine.registered.items() if GENERATED_PASSWORD in repr(item.inputs)] == []


def test_declared_users_are_members_of_the_groups(engine: Engine) -> None:
    lookup(engine)
    found = [engine.registered[name].inputs for name in engine.of_type(GRANT_ROLE)]
    assert sorted((item["grantRole"], item["role"]) for item in found) == [
        ("pool_services", "postgres"),
        ("pool_services", "web"),
        ("pool_superusers", "postgres"),
    ]


def test_existing_objects_are_looked_for_before_the_first_one_is_created(engine: Engine) -> None:
    lookup(engine)
    assert engine.registered["p-services"].before_create == ("refuse-existing",)


@pytest.mark.parametrize("name", ["p-superusers", "p-role-a", "p-schema"])
def test_no_object_is_created_before_that_look(engine: Engine, name: str) -> None:
    lookup(engine)
    assert "p-services" in engine.registered[name].depends_on


def test_the_function_runs_as_its_owner(engine: Engine) -> None:
    lookup(engine)
    assert engine.registered["p-lookup"].inputs["securityDefiner"] is True


def test_the_function_gives_no_row_for_an_unknown_name(engine: Engine) -> None:
    lookup(engine)
    assert engine.registered["p-lookup"].inputs["returns"] == "TABLE(uname text, phash text)"


def test_public_loses_every_right_on_the_function(engine: Engine) -> None:
    lookup(engine)
    assert engine.registered["p-revoke-public"].inputs == {
        "role": "public",
        "database": "app",
        "schema": "pool",
        "objectType": "function",
        "objects": ["user_lookup"],
        "privileges": [],
    }


def test_the_auth_role_may_execute_the_function_and_nothing_else(engine: Engine) -> None:
    lookup(engine)
    found = [engine.registered[name].inputs for name in engine.of_type(GRANT)]
    assert sorted(
        (item["objectType"], *item["privileges"]) for item in found if item["role"] == "pool_auth_a"
    ) == [
        ("function", "EXECUTE"),
        ("schema", "USAGE"),
    ]


def test_the_auth_role_is_granted_the_function_after_public_lost_it(engine: Engine) -> None:
    lookup(engine)
    assert "p-revoke-public" in engine.registered["p-execute-a"].depends_on


def test_the_lookup_is_ready_with_members_and_grants(engine: Engine) -> None:
    found = lookup(engine)["ready"].value
    assert {urn.rsplit("::", 1)[-1] for urn in found} == {
        "p-services-web",
        "p-services-postgres",
        "p-superusers-postgres",
        "p-usage-a",
        "p-execute-a",
    }


# --- Pooler

ARGS = PoolerArgs(
    image="team/pgbouncer:1.26.1",
    user="65532:65532",
    network="app_net",
    alias="pgbouncer",
    port=6432,
    published=(),
    memory_mb=64,
    cpus=None,
    nofile=None,
    destroy_grace_seconds=30,
    drain_seconds=3,
    ini="[pgbouncer]\n",
    hba="host all all all scram-sha-256\n",
    userlist='"pool_auth_a" "tr0ub4dor"\n',
    restart_only="listen_addr = *\nlisten_port = 6432\n",
    depends_on=[],
)
# SHA-256 of the three texts one after the other
DIGEST = hashlib.sha256(
    b'[pgbouncer]\nhost all all all scram-sha-256\n"pool_auth_a" "tr0ub4dor"\n'
).hexdigest()[:16]


def pooler(engine: Engine, args: PoolerArgs = ARGS) -> Engine:
    def program() -> None:
        Pooler("p", replace(args, userlist=pulumi.Output.secret(args.userlist)))

    run(engine, program)
    return engine


def container(engine: Engine, args: PoolerArgs = ARGS) -> Registration:
    return pooler(engine, args).registered["p-pooler"]


def test_the_pooler_is_four_jobs_and_one_container(engine: Engine) -> None:
    assert pooler(engine).of_type(CONTAINER) == {*JOBS, "p-pooler"}


def test_the_pooler_has_a_volume_for_files_and_one_for_sockets(engine: Engine) -> None:
    assert pooler(engine).of_type(VOLUME) == {"p-config", "p-run"}


def test_every_part_is_a_child_of_the_pooler(engine: Engine) -> None:
    children = {name: item.parent for name, item in pooler(engine).registered.items() if name != "p"}
    assert set(children.values()) == {"p"}


@pytest.mark.parametrize(
    ("job", "arguments"),
    [
        ("p-userlist", ["65532:65532"]),
        ("p-write", [DIGEST, "6432"]),
        ("p-ready", ["p-pooler-id", "6432", "20"]),
        ("p-reload", [DIGEST, "p-pooler-id", "6432"]),
    ],
)
def test_a_job_gets_its_arguments(engine: Engine, job: str, arguments: list[str]) -> None:
    assert pooler(engine).registered[job].inputs["command"] == arguments


@pytest.mark.parametrize("job", ["p-ready", "p-reload"])
def test_a_job_on_the_container_is_bound_to_its_id(engine: Engine, job: str) -> None:
    assert "p-pooler" in pooler(engine).registered[job].depends_on


OTHER_FILES = [replace(ARGS, ini="other"), replace(ARGS, hba="other"), replace(ARGS, userlist="other")]


@pytest.mark.parametrize("other", OTHER_FILES, ids=["ini", "hba", "userlist"])
def test_a_change_of_any_file_changes_the_digest(engine: Engine, other: PoolerArgs) -> None:
    changed = pooler(engine, other)
    assert changed.registered["p-write"].inputs["command"][0] != DIGEST


@pytest.mark.parametrize("other", OTHER_FILES, ids=["ini", "hba", "userlist"])
def test_a_change_of_a_file_leaves_the_definition_of_the_container_alone(other: PoolerArgs) -> None:
    before, after = container(Engine()), container(Engine(), other)
    assert after.inputs == before.inputs


def test_a_change_of_a_restart_only_setting_changes_the_container() -> None:
    after = container(Engine(), replace(ARGS, restart_only="listen_addr = *\npkt_buf = 8192\n"))
    assert after.inputs["command"] == ["6432", "3", "listen_addr = *\npkt_buf = 8192\n"]


# --- order and gates


@pytest.mark.parametrize(
    ("name", "before"),
    [
        ("p-write", "p-userlist"),
        ("p-pooler", "p-write"),
        ("p-ready", "p-pooler"),
        ("p-reload", "p-ready"),
        ("p-reload", "p-write"),
    ],
)
def test_a_part_waits_for_the_one_before(engine: Engine, name: str, before: str) -> None:
    assert before in pooler(engine).registered[name].depends_on


@pytest.mark.parametrize("name", ["p-config", "p-run", "p-pooler"])
def test_nothing_is_made_on_the_engine_before_the_lookup_is_ready(engine: Engine, name: str) -> None:
    def program() -> None:
        Pooler("p", replace(ARGS, depends_on=[postgresql.Role("last-grant", name="x")]))

    run(engine, program)
    assert "last-grant" in engine.registered[name].depends_on


@pytest.mark.parametrize(
    ("job", "never_reached"),
    [
        ("p-userlist", {"p-write", "p-pooler", "p-ready", "p-reload"}),
        ("p-write", {"p-pooler", "p-ready", "p-reload"}),
        ("p-ready", {"p-reload"}),
    ],
)
def test_nothing_after_a_failed_job_is_created(engine: Engine, job: str, never_reached: set[str]) -> None:
    engine.exit_codes[job] = 1
    with pytest.raises(pulumi.RunError):
        pooler(engine)
    assert not never_reached & set(engine.registered)


@pytest.mark.parametrize("job", JOBS)
def test_a_failed_job_fails_the_update_with_its_log_and_the_command_that_repeats_it(
    engine: Engine, job: str
) -> None:
    engine.exit_codes[job] = 3
    engine.logs[job] = "the reason\n"
    urn = f"urn:pulumi:prod::pgbouncer::pgbouncer:pooler:Pooler$docker:index/container:Container::{job}"
    with pytest.raises(pulumi.RunError) as failed:
        pooler(engine)
    assert str(failed.value) == (
        f"{job} failed (exit code 3):\n"
        "the reason\n"
        "Correct the configuration and run `pulumi up`; to run the same job once more:\n"
        f"  pulumi up --replace '{urn}'"
    )


# --- secrets


@pytest.mark.parametrize("name", ["p-userlist", "p-write", "p-ready", "p-reload", "p-pooler"])
def test_only_the_upload_of_the_userlist_is_secret(engine: Engine, name: str) -> None:
    expected = {"uploads"} if name == "p-userlist" else set()
    assert pooler(engine).registered[name].secret_inputs == expected


def test_the_password_is_in_the_upload_of_the_userlist_only(engine: Engine) -> None:
    places = [
        (name, key)
        for name, item in pooler(engine).registered.items()
        for key, value in item.inputs.items()
        if "tr0ub4dor" in repr(value)
    ]
    assert places == [("p-userlist", "uploads")]


def test_a_userlist_that_is_not_marked_is_secret_all_the_same(engine: Engine) -> None:
    def program() -> None:
        Pooler("p", ARGS)

    run(engine, program)
    assert engine.registered["p-userlist"].secret_inputs == {"uploads"}


def test_the_userlist_is_readable_by_its_owner_only(engine: Engine) -> None:
    assert pooler(engine).registered["p-userlist"].inputs["uploads"][0]["permissions"] == "0400"


def test_the_job_that_shows_the_ini_holds_no_secret(engine: Engine) -> None:
    uploads = pooler(engine).registered["p-write"].inputs["uploads"]
    assert [(item["file"], item["content"]) for item in uploads] == [
        ("/staged/pgbouncer.ini", "[pgbouncer]\n"),
        ("/staged/pg_hba.conf", "host all all all scram-sha-256\n"),
    ]


# --- hardening


@pytest.mark.parametrize("name", [*JOBS, "p-pooler"])
def test_every_container_drops_all_capabilities(engine: Engine, name: str) -> None:
    assert pooler(engine).registered[name].inputs["capabilities"]["drops"] == ["ALL"]


@pytest.mark.parametrize("name", ["p-write", "p-ready", "p-reload", "p-pooler"])
def test_no_capability_comes_back_where_no_owner_changes(engine: Engine, name: str) -> None:
    assert not pooler(engine).registered[name].inputs["capabilities"].get("adds")


def test_the_userlist_job_may_change_owners_only(engine: Engine) -> None:
    found = pooler(engine).registered["p-userlist"].inputs["capabilities"]["adds"]
    assert found == ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER"]


@pytest.mark.parametrize("name", [*JOBS, "p-pooler"])
def test_no_container_gains_privileges(engine: Engine, name: str) -> None:
    assert pooler(engine).registered[name].inputs["securityOpts"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("job", JOBS)
def test_a_job_has_no_network(engine: Engine, job: str) -> None:
    assert pooler(engine).registered[job].inputs["networkMode"] == "none"


@pytest.mark.parametrize("name", ["p-write", "p-ready", "p-reload", "p-pooler"])
def test_all_but_the_userlist_job_run_as_the_numeric_user(engine: Engine, name: str) -> None:
    assert pooler(engine).registered[name].inputs["user"] == "65532:65532"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("readOnly", True),
        ("tmpfs", {"/tmp": "mode=1777,noexec,nosuid,nodev,size=4m"}),
        ("memory", 64),
        ("memorySwap", 128),
        ("restart", "unless-stopped"),
        ("mustRun", True),
        ("stopTimeout", 30),
        ("destroyGraceSeconds", 30),
        ("logOpts", {"max-size": "10m", "max-file": "3"}),
        ("networksAdvanced", [{"name": "app_net", "aliases": ["pgbouncer"]}]),
    ],
)
def test_the_container_is_defined_as_designed(engine: Engine, key: str, value: object) -> None:
    assert container(engine).inputs[key] == value


@pytest.mark.parametrize("key", ["name", "ports", "envs", "cpus", "ulimits", "uploads", "privileged"])
def test_the_container_leaves_this_unset(engine: Engine, key: str) -> None:
    assert key not in container(engine).inputs


def test_the_container_cannot_write_its_configuration(engine: Engine) -> None:
    assert container(engine).inputs["volumes"] == [
        {"volumeName": "p-config-0a1b2c3", "containerPath": "/config", "readOnly": True},
        {"volumeName": "p-run-0a1b2c3", "containerPath": "/run/pgb"},
    ]


def test_cpus_are_the_text_that_the_engine_reads(engine: Engine) -> None:
    assert container(engine, replace(ARGS, cpus=0.5)).inputs["cpus"] == "0.5"


def test_open_files_are_a_hard_and_a_soft_limit(engine: Engine) -> None:
    assert container(engine, replace(ARGS, nofile=4096)).inputs["ulimits"] == [
        {"name": "nofile", "hard": 4096, "soft": 4096}
    ]


@pytest.mark.parametrize(
    "name", ["p-userlist", "p-write", "p-ready", "p-reload", "p-pooler", "p-config", "p-run"]
)
def test_a_label_says_which_stack_owns_a_part(engine: Engine, name: str) -> None:
    labels = {item["label"]: item["value"] for item in pooler(engine).registered[name].inputs["labels"]}
    assert (labels["pgbouncer-stack.project"], labels["pgbouncer-stack.stack"]) == ("pgbouncer", "prod")


# --- replacement


def test_without_a_published_port_the_new_container_comes_before_the_old_one_goes(engine: Engine) -> None:
    assert container(engine).delete_before_replace is False


def test_with_a_published_port_the_old_container_goes_first(engine: Engine) -> None:
    assert container(engine, replace(ARGS, published=("127.0.0.1:6432",))).delete_before_replace is True


def test_a_published_port_is_bound_to_its_address(engine: Engine) -> None:
    assert container(engine, replace(ARGS, published=("127.0.0.1:7000",))).inputs["ports"] == [
        {"ip": "127.0.0.1", "external": 7000, "internal": 6432}
    ]


@pytest.mark.parametrize("key", ["healthcheck", "tmpfs"])
def test_a_change_that_the_plugin_would_drop_replaces_the_container(engine: Engine, key: str) -> None:
    assert key in container(engine).replace_on_changes


def test_the_health_check_asks_the_console_on_the_socket(engine: Engine) -> None:
    assert container(engine).inputs["healthcheck"]["tests"] == [
        "CMD-SHELL",
        'psql -XAtq -h "$(cat /tmp/slot)" -p 6432 -U pgbouncer -d pgbouncer -c "SHOW VERSION"',
    ]

"""The policy pack's rules on single resources, each with what it must catch and what it must not."""

from __future__ import annotations

import pytest
from pooler_policy import clear_secrets, hardening, image, known_secrets, ports, secret_files, superusers
from pooler_policy.exceptions import exemptions
from pooler_policy.resource import CONTAINER, GRANT_ROLE, STACK, Resource
from pooler_policy.rule import Declared
from pooler_policy.values import UNKNOWN, Secret

from components.floor import FLOOR, image_tag_version, is_below_floor

HARDENED = {
    "user": "65532:65532",
    "readOnly": True,
    "capabilities": {"drops": ["ALL"]},
    "securityOpts": ["no-new-privileges:true"],
}
DECLARED = Declared(max_backends=25, secrets=("correct horse",))


def container(name: str = "pgbouncer-pooler", /, **properties: object) -> Resource:
    """One container of the component Pooler."""
    urn = f"urn:pulumi:prod::pgbouncer::pgbouncer:pooler:Pooler${CONTAINER}::{name}"
    return Resource(urn, CONTAINER, name, properties)


def pinned(reference: str) -> list[str]:
    return list(image.PINNED.check(container(image=reference), DECLARED))


@pytest.mark.parametrize(
    "reference",
    [
        "pgbouncer:1.26.1",
        "registry.example:5000/team/pgbouncer:v1.27.0",
        "pgbouncer:1.26.1-bookworm@sha256:" + 64 * "0",
    ],
)
def test_an_image_at_or_above_the_floor_passes(reference: str) -> None:
    assert pinned(reference) == []


@pytest.mark.parametrize("reference", ["pgbouncer:1.26.0", "pgbouncer:1.25.2@sha256:" + 64 * "0"])
def test_an_image_below_the_floor_is_named_with_the_fix(reference: str) -> None:
    assert pinned(reference) == [
        f"image: {reference} is below 1.26.1, where CVE-2026-107350 (one user's password logs in as any other) "
        "is fixed; set image to 1.26.1 or later"
    ]


@pytest.mark.parametrize(
    "reference",
    [
        "pgbouncer",
        "pgbouncer:latest",
        "pgbouncer:1.27",
        "registry:1.27.0/pgbouncer",
        "pgbouncer@sha256:" + 64 * "0",
    ],
)
def test_an_image_without_a_complete_version_is_refused(reference: str) -> None:
    assert "has no tag with a complete version" in pinned(reference)[0]


@pytest.mark.parametrize("tag", ["1.25.9", "1.26.0", "1.26.1", "v1.26.2", "2.0.0", "1.26.1-2"])
def test_the_pack_and_the_program_have_the_same_floor(tag: str) -> None:
    version = image_tag_version(f"pgbouncer:{tag}")
    assert version is not None
    assert bool(pinned(f"pgbouncer:{tag}")) == is_below_floor(version)


def test_the_packs_own_floor_is_the_programs() -> None:
    assert image.FLOOR == FLOOR


def exporter(reference: str) -> list[str]:
    urn = f"urn:pulumi:prod::pgbouncer::pgbouncer:metrics:Metrics${CONTAINER}::pgbouncer-exporter"
    return list(
        image.PINNED.check(Resource(urn, CONTAINER, "pgbouncer-exporter", {"image": reference}), DECLARED)
    )


def test_an_exporter_counts_its_own_versions() -> None:
    assert exporter("registry.example/exporter:0.11.0") == []


def test_an_exporters_tag_has_to_be_complete_too() -> None:
    assert "has no tag with a complete version" in exporter("registry.example/exporter:latest")[0]


def test_an_image_that_is_not_known_yet_is_judged_at_the_update() -> None:
    assert list(image.PINNED.check(container(image=UNKNOWN), DECLARED)) == []


def test_an_image_of_a_registry_without_digest_is_advised_about() -> None:
    assert list(image.DIGEST.check(container(image="registry.example/pgbouncer:1.26.1"), DECLARED)) == [
        "image: registry.example/pgbouncer:1.26.1 has no digest, so its tag can be moved; add @sha256:… to image"
    ]


def test_a_missing_digest_stops_no_update() -> None:
    assert not image.DIGEST.mandatory


def test_an_image_that_was_made_on_this_engine_needs_no_digest() -> None:
    assert list(image.DIGEST.check(container(image="pgbouncer-stack/pgbouncer:1.26.1"), DECLARED)) == []


@pytest.mark.parametrize("ip", ["0.0.0.0", "::", "0:0:0:0:0:0:0:0", "::ffff:0.0.0.0", "", None])  # noqa: S104 what must be refused
def test_a_port_on_every_address_is_refused(ip: str | None) -> None:
    published = container(ports=[{"internal": 6432, "external": 6432, "ip": ip}])
    assert "publishes the pooler on every address" in next(iter(ports.RULE.check(published, DECLARED)))


@pytest.mark.parametrize("ip", ["127.0.0.1", "10.0.0.5", "::1"])
def test_a_port_on_one_address_passes(ip: str) -> None:
    published = container(ports=[{"internal": 6432, "external": 6432, "ip": ip}])
    assert list(ports.RULE.check(published, DECLARED)) == []


def test_publishing_every_port_of_the_image_is_refused() -> None:
    assert "publishAllPorts" in next(iter(ports.RULE.check(container(publishAllPorts=True), DECLARED)))


def hardened(name: str = "pgbouncer-pooler", /, **changes: object) -> list[str]:
    return list(hardening.RULE.check(container(name, **{**HARDENED, **changes}), DECLARED))


def test_a_hardened_pooler_passes() -> None:
    assert hardened() == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"readOnly": False}, "readOnly"),
        ({"user": "0"}, "run_as: user 0 may be root"),
        ({"user": "0:65532"}, "run_as: user 0:65532 may be root"),
        ({"user": "65532:0"}, "run_as: user 65532:0 may be root"),
        ({"user": "pgbouncer"}, "run_as: user pgbouncer may be root"),
        ({"user": None}, "run_as: user of the image may be root"),
        ({"capabilities": None}, "not all are dropped"),
        ({"capabilities": {"drops": ["ALL"], "adds": ["CAP_NET_ADMIN"]}}, "CAP_NET_ADMIN kept"),
        ({"securityOpts": ["seccomp=unconfined"]}, "setuid"),
        ({"privileged": True}, "privileged"),
    ],
)
def test_one_thing_that_is_not_hardened_is_one_violation(changes: dict[str, object], said: str) -> None:
    found = hardened(**changes)
    assert len(found) == 1
    assert said in found[0]


def test_a_job_may_write_to_its_own_root() -> None:
    assert hardened("pgbouncer-write", mustRun=False, readOnly=False) == []


def test_the_userlist_job_is_a_named_exception() -> None:
    capabilities = {"drops": ["ALL"], "adds": ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER"]}
    assert (
        hardened("pgbouncer-userlist", mustRun=False, readOnly=False, user="0", capabilities=capabilities)
        == []
    )


def test_an_exception_is_about_one_component_only() -> None:
    stranger = Resource(
        f"urn:pulumi:prod::pgbouncer::pgbouncer:metrics:Metrics${CONTAINER}::pgbouncer-userlist",
        CONTAINER,
        "pgbouncer-userlist",
        {**HARDENED, "user": "0"},
    )
    assert len(list(hardening.RULE.check(stranger, DECLARED))) == 1


def test_every_exception_has_a_reason() -> None:
    assert all(len(exemption.reason) > 20 for exemption in exemptions())


def in_clear(**properties: object) -> list[str]:
    return list(clear_secrets.RULE.check(container(**properties), DECLARED))


def test_a_marked_variable_is_refused_by_its_name() -> None:
    assert in_clear(envs=[Secret("PGPASSWORD=hush hush")]) == [
        "envs: PGPASSWORD: is secret, and `docker inspect` shows it; "
        "hand it over as an upload of mode 0400 that the script removes"
    ]


def test_a_mark_on_the_whole_list_is_reported_once() -> None:
    assert len(in_clear(command=Secret(["run", "--fast"]))) == 1


def test_a_password_of_the_configuration_is_found_without_its_mark() -> None:
    label = {"label": "note", "value": "log in with correct horse"}
    assert in_clear(labels=[label])[0].startswith(
        "labels: note: has admin_password or one of passwords in clear"
    )


def test_a_percent_encoded_password_is_found_too() -> None:
    assert len(in_clear(command=["postgresql://postgres:correct%20horse@db/app"])) == 1


@pytest.mark.parametrize("properties", [{"envs": ["A=hush"]}, {"labels": [{"label": "a", "value": "b"}]}, {}])
def test_plain_variables_and_labels_pass(properties: dict[str, object]) -> None:
    assert in_clear(**properties) == []


def test_no_violation_quotes_a_secret() -> None:
    found = in_clear(
        envs=[Secret("correct horse")], command=["correct horse"], labels=Secret([{"value": "correct horse"}])
    )
    assert "correct" not in " ".join(found)


def test_a_short_password_is_looked_for_as_a_whole_only() -> None:
    declared = Declared(secrets=("app",))
    assert list(clear_secrets.RULE.check(container(envs=["A=app_net"]), declared)) == []


def test_a_short_password_is_found_behind_a_variables_name() -> None:
    declared = Declared(secrets=("app",))
    assert len(list(clear_secrets.RULE.check(container(envs=["A=app"]), declared))) == 1


def upload(mode: str | None, content: object, name: str = "pgbouncer-userlist") -> list[str]:
    file = {"file": "/staged/userlist.txt", "content": content, "permissions": mode}
    return list(secret_files.RULE.check(container(name, uploads=[file]), DECLARED))


@pytest.mark.parametrize("content", [Secret("hush"), Secret(UNKNOWN), '"role" "correct horse"'])
@pytest.mark.parametrize("mode", ["0444", "0660", None])
def test_a_secret_file_that_others_can_read_is_refused(content: object, mode: str | None) -> None:
    assert upload(mode, content)[0].startswith(
        f"uploads: /staged/userlist.txt holds a secret and has mode {mode or '0644'}; set permissions to 0400"
    )


def test_a_secret_file_of_mode_0400_passes() -> None:
    assert upload("0400", Secret("hush")) == []


def test_a_plain_file_may_be_read_by_all() -> None:
    assert upload("0444", "[databases]") == []


def stack(**outputs: object) -> Resource:
    return Resource(
        "urn:pulumi:prod::pgbouncer::pulumi:pulumi:Stack::pgbouncer-prod", STACK, "pgbouncer-prod", outputs
    )


def leaks(*resources: Resource) -> list[str]:
    return [found.text for found in known_secrets.RULE.check(resources, DECLARED)]


def generated() -> Resource:
    typ = "random:index/randomPassword:RandomPassword"
    return Resource(f"urn:pulumi:prod::pgbouncer::{typ}::p", typ, "p", {"result": Secret("generated-48")})


def test_a_generated_password_in_a_variable_is_found_without_its_mark() -> None:
    assert leaks(generated(), container(envs=["A=generated-48"]))[0].startswith(
        "envs: A: has a secret of this stack"
    )


def test_a_generated_password_in_a_plain_output_is_found() -> None:
    assert leaks(generated(), stack(note={"deep": ["x generated-48"]})) == [
        "output note: has a secret of this stack in clear; export it as pulumi.Output.secret(…)"
    ]


def test_a_secret_output_may_hold_a_secret() -> None:
    assert leaks(generated(), stack(grafana_dsn=Secret("postgresql://a:generated-48@b/c"))) == []


def test_a_dsn_without_password_may_be_shown_though_its_lane_is_marked() -> None:
    dsn = "postgresql://migrator@timescale_db:5432/app"
    assert leaks(stack(migrations_dsn=Secret(dsn), masked_dsns={"migrations": dsn})) == []


def test_the_path_of_a_secret_file_is_no_secret() -> None:
    files = Secret([{"file": "/staged/userlist.txt", "content": "generated-48"}])
    assert leaks(container(uploads=files, entrypoints=["cat /staged/userlist.txt"])) == []


def grant(role: str, group: str) -> Resource:
    urn = f"urn:pulumi:prod::pgbouncer::pgbouncer:auth:AuthLookup${GRANT_ROLE}::{role}"
    return Resource(urn, GRANT_ROLE, role, {"role": role, "grantRole": group})


def superuser_routes(*resources: Resource, **declared: object) -> list[str]:
    return [found.text for found in superusers.RULE.check(resources, Declared(**declared))]  # type: ignore[arg-type]  # each test gives the fitting type


def test_a_superuser_on_a_pooled_lane_that_nobody_named_is_refused() -> None:
    services = {"webhooks": {"user": "postgres", "route": "transaction"}}
    assert superuser_routes(grant("postgres", "pgbouncer_services"), services=services) == [
        "services.webhooks.user: postgres is a superuser on a pooled lane, and not in superusers; "
        "give the service a role of its own, or add postgres to superusers"
    ]


def test_the_role_that_deploys_counts_as_a_superuser() -> None:
    services = {"root": {"route": "session"}}
    found = superuser_routes(grant("root", "pgbouncer_services"), services=services, admin_user="root")
    assert found[0].startswith("services.root.user: root is a superuser on a pooled lane")


def test_a_superuser_on_the_direct_lane_is_not_the_poolers_business() -> None:
    services = {"webhooks": {"user": "postgres", "route": "direct"}, "other": None}
    assert superuser_routes(grant("postgres", "pgbouncer_services"), services=services) == []


def test_a_named_superuser_passes() -> None:
    services = {"webhooks": {"user": "postgres", "route": "transaction"}}
    members = (grant("postgres", "pgbouncer_services"), grant("postgres", "pgbouncer_superusers"))
    assert superuser_routes(*members, services=services, superusers=["postgres"]) == []


def test_a_member_of_the_superusers_group_has_to_be_named() -> None:
    assert superuser_routes(grant("ann", "pooler_superusers"))[0].startswith(
        "superusers: ann is in pooler_superusers"
    )


def test_resources_of_other_programs_are_nobodys_business() -> None:
    foreign = Resource(
        f"urn:pulumi:prod::shop::{GRANT_ROLE}::g", GRANT_ROLE, "g", {"role": "a", "grantRole": "x_superusers"}
    )
    assert superuser_routes(foreign) == []

"""From what `pulumi` answers to the comment: whole texts by hand, and never a secret."""

from __future__ import annotations

import json
import stat
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from components.budget import prove
from components.outputs import connection_strings, plain
from components.settings import Settings, load
from review.__main__ import write
from review.cli import Pulumi
from review.write import put, review
from tests.unit.plans import POOLER, RELOAD, REPLACE, document, step
from tests.unit.stacks import as_text, config
from toolchain.problem import Problem

SECRETS = {
    "admin_password": "sentinel-admin",
    "passwords": {"web": "sentinel-web", "worker": "sentinel/worker"},
}
PASSWORDS = {"web": "sentinel-web", "worker": "sentinel/worker"}
SECRETS = {"admin_password": "sentinel-admin", "passwords": PASSWORDS}
SERVICES = {"web": {"route": "direct", "direct_connections": 8}, "worker": {"route": "transaction"}}
RUNNING = {
    "services": SERVICES,
    "image": "pgbouncer-stack/pgbouncer:1.26.1",
    **SECRETS,
}


@dataclass(frozen=True)
class Answering(Pulumi):
    """A stack whose answers are known without the CLI: what is planned, what runs, and the configuration."""

    plan: str = ""
    running: Mapping[str, object] | None = None
    """Changes to RUNNING; None where the stack was never updated."""
    wanted: Mapping[str, object] = field(default_factory=dict)
    secret: tuple[str, ...] = ()
    code: int = 0
    stderr: str = ""

    def preview(self, *, destroy: bool) -> subprocess.CompletedProcess[str]:
        assert not destroy
        return subprocess.CompletedProcess([], self.code, self.plan, self.stderr)

    def config(self) -> dict[str, Any]:
        values = {"network": "app_net", "database": "app", **RUNNING, **self.wanted}
        return {
            f"pgbouncer:{key}": {
                "value": as_text(value),
                "secret": key in (*SECRETS, *self.secret),
                **({} if isinstance(value, str) else {"objectValue": value}),
            }
            for key, value in values.items()
        }

    def state(self) -> dict[str, Any]:
        return {"deployment": {"resources": [{"type": "pulumi:pulumi:Stack", "outputs": self.outputs()}]}}

    def outputs(self) -> dict[str, Any]:
        if self.running is None:
            return {}
        found = before(self.running)
        dsns = {
            f"{name}_dsn": secret(lanes[found.services[name].route.value])
            for name, lanes in connection_strings(found).items()
        }
        return {**plain(found, prove(found)), **dsns}


def secret(text: str) -> dict[str, str]:
    """As Pulumi exports it."""
    return {
        "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270",
        "plaintext": json.dumps(text),
    }


def answering(plan: str, running: Mapping[str, object] | None, **wanted: object) -> Answering:
    return Answering("prod", Path(), {}, plan, running, wanted)


def before(running: Mapping[str, object]) -> Settings:
    return load(config(**{**RUNNING, **running}))


CUTOVER = """\
## PgBouncer: what an update of stack `prod` does

**PgBouncer reloads; nobody reconnects.**

- `web` moves direct → transaction: redeploy it with its new DSN; until then it stays on direct.
- Entry `app`: `pool_size` `18` → `9`.

### Settings

| setting | before | after | takes a |
|---|---|---|---|
| `query_wait_timeout` | `20` | `10` | reload |

### Connections

| who | before | after |
|---|---:|---:|
| pooler: max_backends x 2 while an update overlaps | 50 | 50 |
| this deployment during an update | 4 | 4 |
| reserved by the server | 3 | 3 |
| direct: web | 8 | – |
| **sum** | 65 | 57 |
| **max_connections** | 100 | 100 |

43 connections are left.

<details><summary><code>pgbouncer.ini</code>, lines: 2 added, 2 removed</summary>

```diff
@@ -2,5 +2,5 @@
 [databases]
 ; max_db_connections on every entry, no * entry: the cap is their sum
-app = host=timescale_db port=5432 dbname=app pool_mode=transaction pool_size=18 max_db_connections=18 \
connect_query='SET client_connection_check_interval = 20'
+app = host=timescale_db port=5432 dbname=app pool_mode=transaction pool_size=9 max_db_connections=18 \
connect_query='SET client_connection_check_interval = 20'
 app_session = host=timescale_db port=5432 dbname=app pool_mode=session pool_size=3 max_db_connections=3 \
connect_query='SET client_connection_check_interval = 20'
 pgbouncer_auth = host=timescale_db port=5432 dbname=app pool_mode=transaction pool_size=2 max_db_connections=2 \
connect_query='SET client_connection_check_interval = 20 /* rotation 1 */'
@@ -37,5 +37,5 @@
 pool_mode = transaction
 ; a client that waits longer gets an error in place of a hang
-query_wait_timeout = 20
+query_wait_timeout = 10
 ; a dead address is given up soon
 server_connect_timeout = 3
```

</details>

<details><summary>Resources that change: 3</summary>

| what | type | name | because of |
|---|---|---|---|
| replace | `docker:index/container:Container` | `pgbouncer-reload` | `command` |
| replace | `docker:index/container:Container` | `pgbouncer-write` | `command`, `uploads` |
| replace | `docker:index/container:Container` | `pgbouncer-verify` | `command`, `uploads` |

</details>
"""

REPLACEMENT = """\
## PgBouncer: what an update of stack `prod` does

**The pooler container is replaced. Who reconnects: everybody, and until the new container answers nobody gets in: \
a published port allows no overlap.**

> [!WARNING]
> - ports: 127.0.0.1:6432 can be held by one container only, so an image upgrade cannot overlap: \
clients are cut off until the new pooler answers

### Settings

| setting | before | after | takes a |
|---|---|---|---|
| `limits.memory_mb` | `64` | `96` | replacement |

### Connections

| who | before | after |
|---|---:|---:|
| pooler: max_backends | 25 | 25 |
| this deployment during an update | 4 | 4 |
| reserved by the server | 3 | 3 |
| direct: web | 8 | 8 |
| **sum** | 40 | 40 |
| **max_connections** | 100 | 100 |

60 connections are left.

<details><summary>Resources that change: 4</summary>

| what | type | name | because of |
|---|---|---|---|
| replace | `docker:index/container:Container` | `pgbouncer-pooler` | `memory`, `memorySwap` |
| replace | `docker:index/container:Container` | `pgbouncer-ready` | `command` |
| replace | `docker:index/container:Container` | `pgbouncer-reload` | `command` |
| replace | `docker:index/container:Container` | `pgbouncer-verify` | `command`, `uploads` |

</details>
"""

FAILURE = """\
## PgBouncer: what an update of stack `prod` does

**The preview failed, so this cannot be deployed. Nothing has been changed.**

> [!WARNING]
> - image: team/pgbouncer:1.26.0 has CVE-2026-107348, CVE-2026-107349, CVE-2026-107350; use 1.26.1 or later

```
error: the stack's configuration cannot be deployed:
image: "team/pgbouncer:1.26.0" is below 1.26.1
```
"""


def test_a_cutover_with_a_changed_timeout() -> None:
    services = {**SERVICES, "web": {"route": "transaction"}}
    asked = answering(document(*RELOAD), {}, services=services, settings={"query_wait_timeout": "10"})
    assert review(asked).markdown == CUTOVER


def test_a_replacement_with_a_published_port() -> None:
    ports = ["127.0.0.1:6432"]
    asked = answering(document(*REPLACE), {"ports": ports}, limits={"memory_mb": 96}, ports=ports)
    assert review(asked).markdown == REPLACEMENT


def failed(*messages: str, **wanted: object) -> Answering:
    said = [{"message": f"{message}\n\n", "severity": "info#err"} for message in messages]
    return replace(answering(document(diagnostics=said), {}, **wanted), code=1)


def test_a_failed_preview_says_why() -> None:
    asked = failed(
        "error: the stack's configuration cannot be deployed:",
        'image: "team/pgbouncer:1.26.0" is below 1.26.1',
        image="team/pgbouncer:1.26.0",
    )
    assert review(asked).markdown == FAILURE


@pytest.mark.parametrize("secret", ["sentinel-admin", "sentinel-web", "sentinel/worker", "sentinel%2Fworker"])
def test_a_failed_preview_does_not_repeat_a_secret(secret: str) -> None:
    found = review(failed(f"error: postgresql://u:{secret}@db refused")).markdown
    assert "error: postgresql://u:[secret]@db refused" in found


def test_a_preview_that_fails_without_json_says_what_stderr_has() -> None:
    asked = replace(answering("", {}), code=255, stderr="error: incorrect passphrase\n")
    assert "```\nerror: incorrect passphrase\n```" in review(asked).markdown


def test_a_changed_password_is_another_dsn_and_is_not_shown() -> None:
    passwords = {**PASSWORDS, "web": "sentinel-new"}
    found = review(answering(document(), {}, passwords=passwords)).markdown
    assert "- `web` gets another DSN on the same lane: redeploy it.\n" in found
    assert "sentinel" not in found


@pytest.mark.parametrize("running", [None, {}], ids=["first", "later"])
def test_no_secret_of_configuration_plan_or_outputs_is_in_the_comment(
    running: Mapping[str, object] | None,
) -> None:
    steps = (*REPLACE, step("create", POOLER, "pgbouncer-userlist", "uploads[0].content"))
    assert "sentinel" not in review(answering(document(*steps), running, limits={"memory_mb": 96})).markdown


def test_a_setting_that_the_user_marked_as_secret_is_hidden() -> None:
    asked = replace(
        answering(document(*RELOAD), {}, settings={"job_name": "sentinel|job"}), secret=("settings",)
    )
    found = review(asked).markdown
    assert "sentinel" not in found
    assert "| `job_name` | – | `[secret]` | replacement |" in found


@pytest.mark.parametrize(("code", "expected"), [(0, 0), (1, 1)])
def test_the_comment_is_written_whether_or_not_the_preview_succeeds(
    tmp_path: Path, code: int, expected: int
) -> None:
    asked = replace(answering(document(), {}), code=code)
    out = tmp_path / "comment.md"
    assert write(asked, str(out)) == expected
    assert out.read_text().startswith("## PgBouncer: what an update of stack `prod` does\n")


def test_without_a_file_the_comment_is_printed_alone(capsys: pytest.CaptureFixture[str]) -> None:
    write(answering(document(), {}), "")
    assert capsys.readouterr().out == review(answering(document(), {})).markdown


def test_a_file_that_cannot_be_written_is_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(Problem, match=r"OUT=.*/nowhere/x.md: cannot be written .*; name a file in a folder"):
        put("x", tmp_path / "nowhere" / "x.md")


def test_others_may_read_the_file(tmp_path: Path) -> None:
    put("x", tmp_path / "x.md")
    assert stat.S_IMODE((tmp_path / "x.md").stat().st_mode) == 0o644


def test_a_repr_of_a_stack_shows_no_variable() -> None:
    assert "sentinel" not in repr(Pulumi("prod", Path(), {"PULUMI_CONFIG_PASSPHRASE": "sentinel"}))

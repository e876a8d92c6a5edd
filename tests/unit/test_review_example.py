"""docs/review-example.md is the comment for a cutover of the production stack."""

from __future__ import annotations

import json

from components.budget import prove
from components.outputs import plain
from components.settings import Settings, load
from review import facts, markdown, plan, warnings
from review.words import Update
from tests.unit.plans import RELOAD, document
from tests.unit.stacks import ROOT, production


def declared(**changes: object) -> Settings:
    """The CLI hands objects over with their keys sorted."""
    services = json.loads(production()["services"])
    values = {"services": services, **changes}
    return load(production() | {key: json.dumps(value, sort_keys=True) for key, value in values.items()})


def test_the_example_of_the_documentation_is_what_a_cutover_gives() -> None:
    services = json.loads(production()["services"])
    services["webhook_receiver"]["route"] = "transaction"
    running = declared()
    wanted = declared(services=services, settings={"query_wait_timeout": 10})
    update = Update(
        plan.read(document(*RELOAD)),
        facts.of_outputs(plain(running, prove(running))),
        facts.of_outputs(plain(wanted, prove(wanted))),
        wanted,
    )
    said = warnings.of_update(wanted, prove(wanted), running.image)
    shown = (ROOT / "docs" / "review-example.md").read_text(encoding="utf-8")
    assert markdown.of_update("prod", update, said) == shown

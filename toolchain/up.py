"""`make up`: from whatever is there to a running stack."""

from __future__ import annotations

from toolchain import dev_stack, engine, image, leftovers, own_stack, passphrase, prepare, report
from toolchain.paths import PROJECT
from toolchain.problem import Problem
from toolchain.stack import Stack, option, verification_table
from toolchain.steps import say

PACK = PROJECT / "policy"


def up(name: str) -> None:
    """Installs what is missing, updates the stack and shows its DSNs."""
    stack = ready(name)
    state = stack.state()
    again = leftovers.recover(stack, state)
    for urn in again:
        say(f"stack {name}: {urn.rpartition('::')[2]} failed in an earlier update and runs again")
    # A database of one's own deserves a dry run of the whole update before its first change.
    dry_run = ["--skip-preview"] if name == dev_stack.NAME else []
    options = ["--yes", "--suppress-outputs", "--suppress-progress", *dry_run]
    if stack.show("up", *options, *(f"--replace={urn}" for urn in again)):
        raise Problem(
            f"the update of stack {name} failed; correct what is named above and run `make up{option(name)}` again"
        )
    outputs = stack.outputs()
    print(f"\n{verification_table(stack.state())}")
    print(f"\n{report.services(outputs)}\n\n{outputs['budget']}\n")
    if unknown := outputs["users_without_password"]:
        command = f"pulumi config set --secret --path 'passwords.USER' --stack {name}"
        print(f"No password is known for {', '.join(unknown)}; to have it in the DSNs: {command}\n")
    file = stack.environment.get("PULUMI_CONFIG_PASSPHRASE_FILE")
    passphrase_file = file if passphrase.is_encrypted(name) else None
    print(report.next_steps(name, stack.config_file.name, passphrase_file, next(iter(outputs["routes"]))))


def preview(name: str) -> int:
    """Shows what `up` would change."""
    return ready(name).show("preview", "--diff")


def policy(name: str) -> int:
    """What `up` would change, judged by the policy pack; not 0 when a mandatory rule is broken."""
    stack = ready(name)
    prepare.policy_pack()
    return stack.show("preview", "--policy-pack", str(PACK))


def ready(name: str) -> Stack:
    """The stack with everything in place that an update or preview of it needs."""
    throwaway = name == dev_stack.NAME
    stack = Stack(name)
    if not throwaway:
        own_stack.require_file(stack)
    prepare.pulumi()
    engine.ensure()
    passphrase.ensure(name)
    if throwaway:
        image.images(image.POOLER, image.DATABASE)
        dev_stack.prepare(stack)
    else:
        own_stack.prepare(stack)
    return stack

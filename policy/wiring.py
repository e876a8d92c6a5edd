"""Rules of the pack as policies of the SDK."""

from __future__ import annotations

import pulumi
from marks import plain
from pooler_policy.resource import Resource
from pooler_policy.rule import Declared, ResourceRule, Rule, StackRule
from pulumi_policy import (
    EnforcementLevel,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.policy import PolicyResource, ReportViolation


def on_each_resource(rule: ResourceRule) -> ResourceValidationPolicy:
    """Judges inputs, one resource at a time, before it is changed."""

    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        resource = _resource(args)
        if resource.is_ours:
            for violation in rule.check(resource, _declared()):
                report(violation)

    return ResourceValidationPolicy(rule.name, rule.description, validate, _level(rule))


def on_the_stack(rule: StackRule) -> StackValidationPolicy:
    """Judges all resources together, with their outputs, after the last one."""

    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        for violation in rule.check([_resource(found) for found in args.resources], _declared()):
            report(violation.text, violation.urn)

    return StackValidationPolicy(rule.name, rule.description, validate, _level(rule))


def _level(rule: Rule) -> EnforcementLevel:
    return EnforcementLevel.MANDATORY if rule.mandatory else EnforcementLevel.ADVISORY


def _resource(found: ResourceValidationArgs | PolicyResource) -> Resource:
    resource_type = found.resource_type
    return Resource(found.urn, resource_type, found.name, plain(found.props))


def _declared() -> Declared:
    """The stack's configuration, as the language host gives it to the pack."""
    config = pulumi.Config()
    return Declared(
        max_backends=config.get_int("max_backends"),
        superusers=tuple(config.get_object("superusers") or ()),
        admin_user=config.get("admin_user") or "postgres",
        services=config.get_object("services") or {},
        secrets=tuple(
            text
            for text in (config.get("admin_password"), *(config.get_object("passwords") or {}).values())
            if text
        ),
    )

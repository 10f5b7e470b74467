"""Which options of a command go together: one table, checked before anything is done.

An option that would be ignored is refused by name, because somebody who types it expects an effect.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import click

from mlserver_forest.errors import DeploymentError


@dataclass(frozen=True)
class OptionRule:
    """What an option goes together with.

    Attributes:
        options: the options, as they are typed.
        needs: options of which one must be in effect.
        excludes: options of which none may be in effect.
        why: the reason; "OPTION requires ..." or "OPTION cannot be used with ..." without one.
    """

    options: tuple[str, ...]
    needs: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    why: str = ""


# Serverless endpoints: SageMaker's guide, "Feature exclusions" of serverless inference.
_NOT_SERVERLESS = (
    *("--instance-type", "--instance-count", "--volume-gb", "--startup-timeout"),
    *("--download-timeout", "--autoscale", "--autoscale-target", "--async", "--multi-model"),
    *("--capture", "--capture-uri", "--capture-percent", "--subnet", "--security-group"),
    *("--network-isolation", "--traffic", "--traffic-percent", "--traffic-wait", "--alarm"),
    *("--variant", "--shadow"),
)
_IMAGE = OptionRule(("--image",), excludes=("--repository",))
RULES: Mapping[str, tuple[OptionRule, ...]] = {
    "deploy": (
        OptionRule(_NOT_SERVERLESS, excludes=("--serverless",), why="a serverless endpoint has no"),
        OptionRule(("--memory-mb", "--provisioned"), needs=("--serverless",)),
        OptionRule(("--concurrency",), needs=("--serverless", "--async")),
        OptionRule(("--async-output", "--success-topic", "--error-topic"), needs=("--async",)),
        OptionRule(("--no-model-cache",), needs=("--multi-model",)),
        OptionRule(("--multi-model",), excludes=("--async",)),
        OptionRule(("--async",), excludes=("--multi-model",)),
        OptionRule(("--capture-uri", "--capture-percent"), needs=("--capture",)),
        OptionRule(("--capture-uri", "--capture-percent"), excludes=("--no-capture",)),
        OptionRule(("--traffic-percent",), needs=("--traffic canary", "--traffic linear")),
        OptionRule(("--autoscale-target",), needs=("--autoscale",)),
        OptionRule(("--autoscale", "--autoscale-target"), excludes=("--no-wait",)),
        _IMAGE,
        OptionRule(("--variant",), excludes=("--reset", "--async", "--multi-model", "--shadow")),
        OptionRule(
            ("--shadow",),
            excludes=("--reset", "--async", "--multi-model", "--autoscale", "--autoscale-target"),
        ),
    ),
    "cost": (
        OptionRule(("--seconds",), needs=("--rate",)),
        OptionRule(("--since",), excludes=("--rate",)),
    ),
    "fit": (_IMAGE,),
    "tune": (_IMAGE,),
    "transform": (_IMAGE,),
    "export": (OptionRule(("--terraform",), excludes=("--cloudformation",)),),
    "invoke": (
        OptionRule(("--target-model", "--variant"), excludes=("--async",)),
        OptionRule(("--bucket", "--kms-key", "--timeout", "--poll"), needs=("--async",)),
    ),
    "list": (OptionRule(("--any", "--jobs"), excludes=("--group",)),),
    "pipeline": (
        OptionRule(("--parameter", "--no-wait", "--poll"), needs=("--run",)),
        OptionRule(("--timezone", "--schedule-role"), needs=("--schedule",)),
        OptionRule(("--timezone", "--schedule-role"), excludes=("--schedule off",)),
        OptionRule(("--run", "--schedule"), excludes=("--out",)),
    ),
    "rollback": (OptionRule(("--steps",), excludes=("--to",)),),
}


def given_options() -> frozenset[str]:
    """The options of the present command line, also with their values if those are words.

    Returns:
        Such as ``{"--traffic", "--traffic canary"}``.
    """
    context = click.get_current_context()
    found = set()
    for parameter in context.command.params:
        source = context.get_parameter_source(str(parameter.name))
        if not isinstance(parameter, click.Option) or source is not _TYPED:
            continue
        value = context.params.get(str(parameter.name))
        is_off = value is False and parameter.secondary_opts
        name = (parameter.secondary_opts if is_off else parameter.opts)[0]
        found |= {name, f"{name} {value}"} if isinstance(value, str) else {name}
    return frozenset(found)


_TYPED = click.core.ParameterSource.COMMANDLINE


def check_combinations(
    command: str,
    given: frozenset[str],
    in_effect: frozenset[str] = frozenset(),
    possible: frozenset[str] = frozenset(),
) -> None:
    """Check the options of a command.

    Args:
        command: its name.
        given: the options that were typed.
        in_effect: options whose effect is there anyway, such as those of an existing endpoint.
        possible: options whose effect may be there.

    Raises:
        DeploymentError: naming the options that have no effect, and why.
    """
    effective = given | in_effect
    for rule in RULES[command]:
        typed = [name for name in rule.options if name in given]
        against = [name for name in rule.excludes if name in effective]
        if typed and against:
            raise DeploymentError(_excluded(rule, typed, against))
        if typed and rule.needs and not (effective | possible) & set(rule.needs):
            raise DeploymentError(
                f"{', '.join(typed)} requires {' or '.join(rule.needs)}; add it, or leave "
                f"{_them(typed)} out"
            )


def _excluded(rule: OptionRule, typed: list[str], against: list[str]) -> str:
    names = ", ".join(typed)
    if rule.why:
        return f"{rule.why} {names}; leave {_them(typed)} out"
    return f"{names} cannot be used with {', '.join(against)}; leave them out"


def _them(names: list[str]) -> str:
    return "it" if len(names) == 1 else "them"

"""A plan made from another plan by a JSON merge patch (RFC 7396)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.part import PlanPart
from fedface_core.domain.plan.strategy import IN_PROCESS, WITHOUT_SPREADOUT, default_initialisation, strategy_name

_CHOICES: Final = (
    *(("aggregation", "optimiser"), ("aggregation", "clipping")),
    *(("local_training", "augmentation"), ("strategy", "augmentation")),
)
"""Parts of a plan, and the choice in each that has parameters of its own."""


def apply_merge_patch(plan: Plan, patch: Mapping[str, Any]) -> Plan:
    """The plan with the changes of ``patch``. `pydantic.ValidationError` if the result is no plan: see `merged_fields`."""
    return Plan.model_validate(merged_fields(plan, patch))


def merged_fields(plan: Plan, patch: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of the plan with the changes of ``patch``, not checked.

    A patch that names another architecture or device profile also gets the defaults of that architecture or profile. A patch
    that names another strategy, server optimiser, clipping, augmentation or update encoding gets none of the old one's
    parameters; nor parts of the plan that the new strategy has not.
    """
    document = plan.model_dump(mode="json")
    document["model"] = _without_defaults(plan.model, "architecture")
    document["devices"] = _without_defaults(plan.devices, "profile")
    for part, choice in _CHOICES:
        _drop_another(document[part], choice, patch.get(part))
    if "update_encoding" in patch and _names_another(patch["update_encoding"], plan.update_encoding.name):
        del document["update_encoding"]
    if "strategy" in patch and _names_another(patch["strategy"], plan.strategy.name):
        del document["strategy"]
        for part in _parts_without_use(strategy_name(patch["strategy"])):
            document.pop(part, None)  # the patch may name another update encoding too
        # Not by a plan of the old strategy alone: public-negatives is none without public identities.
        if plan.initialisation == default_initialisation(plan.strategy.name):
            del document["initialisation"]
    return _merge(document, patch)


def _parts_without_use(strategy: object) -> tuple[str, ...]:
    """The parts of a plan that the strategy of this name has not. A patch that names one of them is refused by the plan."""
    if not isinstance(strategy, str) or strategy not in WITHOUT_SPREADOUT:
        return ()
    return ("spreadout", "aggregation", "update_encoding") if strategy in IN_PROCESS else ("spreadout",)


def _drop_another(part: dict[str, Any], choice: str, patch: object) -> None:
    """Remove the ``choice`` from a part of a plan if the part's patch names another one."""
    if (
        isinstance(patch, Mapping)
        and part.get(choice) is not None
        and _names_another(patch.get(choice, part[choice]), part[choice]["name"])
    ):
        del part[choice]


def _names_another(value: object, name: str) -> bool:
    """Whether a patch's ``value`` for a choice, a name or an object with a name, has another name than ``name``."""
    new_name = value.get("name", name) if isinstance(value, Mapping) else value
    return bool(new_name != name)


def _without_defaults(part: PlanPart, naming_field: str) -> dict[str, Any]:
    """``naming_field``, which sets the defaults of the other fields, and the fields that differ from these defaults.

    A stored plan does not say which fields its user set, so a field with the default value counts as not set.
    """
    fields = part.model_dump(mode="json")
    defaults = type(part).model_validate({naming_field: fields[naming_field]}).model_dump(mode="json")
    return {name: value for name, value in fields.items() if name == naming_field or value != defaults[name]}


def _merge(target: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """MergePatch of RFC 7396: null removes a member, so that it gets its default; an object changes members; any other
    value replaces.
    """
    merged = dict(target)
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, Mapping):
            member = merged.get(name)
            merged[name] = _merge(member if isinstance(member, Mapping) else {}, value)
        else:
            merged[name] = value
    return merged

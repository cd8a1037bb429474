"""A plan of another plan, with changes: an RFC 7396 merge patch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.part import PlanPart


def apply_merge_patch(plan: Plan, patch: Mapping[str, Any]) -> Plan:
    """The plan with the changes of ``patch``. `ValidationError` where that is no plan.

    What the old architecture or device profile made of the plan is the new one's to say, where the patch names another; and
    so are the parameters of a strategy, of a server optimiser or of an update encoding.
    """
    whole = plan.model_dump(mode="json")
    whole |= {"model": _told(plan.model, "architecture"), "devices": _told(plan.devices, "profile")}
    aggregation, optimiser = patch.get("aggregation"), plan.aggregation.optimiser.name
    if isinstance(aggregation, Mapping) and _names_another(aggregation.get("optimiser", optimiser), optimiser):
        del whole["aggregation"]["optimiser"]
    if "update_encoding" in patch and _names_another(patch["update_encoding"], plan.update_encoding.name):
        del whole["update_encoding"]
    if "strategy" in patch and _names_another(patch["strategy"], plan.strategy.name):
        del whole["strategy"]
        if plan.initialisation == Plan.model_validate({"strategy": plan.strategy.name}).initialisation:
            del whole["initialisation"]
    return Plan.model_validate(_merged(whole, patch))


def _names_another(given: Any, name: str) -> bool:
    """Whether what a patch has for something that has a name and its own parameters is another one."""
    named = given.get("name", name) if isinstance(given, Mapping) else given
    return bool(named != name)


def _told(part: PlanPart, named: str) -> dict[str, Any]:
    """The field that names the defaults of the others, and what differs from these. Nobody remembers what a user set."""
    whole = part.model_dump(mode="json")
    defaults = type(part).model_validate({named: whole[named]}).model_dump(mode="json")
    return {name: value for name, value in whole.items() if name == named or value != defaults[name]}


def _merged(whole: Any, changes: Any) -> Any:
    """RFC 7396: null removes a member, so that it takes its default; an object changes members; all else replaces."""
    if not isinstance(changes, Mapping):
        return changes
    kept = dict(whole) if isinstance(whole, Mapping) else {}
    for name, change in changes.items():
        if change is None:
            kept.pop(name, None)
        else:
            kept[name] = _merged(kept.get(name), change)
    return kept

"""Whether a rule can ever match: what of it the rules before it leave over, at some time that it holds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import product

from costctl.nouns import EVER, NEVER
from costctl.rules.words import Wish

MANY = 100_000  # combinations of values beyond which nobody looks


@dataclass(frozen=True)
class Reach:
    """What a rule takes, and when: all of its wishes, where none of the columns that its templates take is blank."""

    wishes: tuple[Wish, ...]
    filled: frozenset[str]
    start: date | None
    end: date | None


def contradictory(rule: Reach) -> str | None:
    """Return the column of which a rule wants two things that exclude each other."""
    for one in rule.wishes:
        for other in rule.wishes:
            same = one.column == other.column and one.folded and other.folded
            plain = not (one.beginnings or other.beginnings or one.blank or other.blank)
            if same and plain and not {*one.texts} & {*other.texts}:
                return one.column
        if one.column in rule.filled and one.blank and not (one.texts or one.beginnings):
            return one.column
    return None


def taken(rule: Reach, before: Sequence[Reach]) -> set[int]:
    """Return the places of the earlier rules that together take everything a rule would take, whenever it holds; none if something is left."""
    columns = {wish.column for wish in rule.wishes}
    rivals = {
        place: other
        for place, other in enumerate(before)
        if {wish.column for wish in other.wishes} <= columns and _overlap(rule, other)
    }
    # Values that the same wishes of the same rivals take are alike: one of each kind is looked at.
    kinds = [{_takers(one, rivals) for one in wish.each()} for wish in rule.wishes]
    number = 1
    for kind in kinds:
        number *= len(kind)
    if not rivals or number > MANY:
        return set()
    needed: set[int] = set()
    for combination in product(*kinds):
        met = frozenset[tuple[int, int]]().union(*combination)
        winners = [
            place
            for place, other in rivals.items()
            if all((place, at) in met for at in range(len(other.wishes))) and _filled(rule, other)
        ]
        if not _always(rule, [rivals[place] for place in winners]):
            return set()
        needed.update(winners)
    return needed


def _takers(one: Wish, rivals: dict[int, Reach]) -> frozenset[tuple[int, int]]:
    return frozenset(
        (place, at) for place, other in rivals.items() for at, wish in enumerate(other.wishes) if wish.takes_all_of(one)
    )


def _filled(rule: Reach, other: Reach) -> bool:
    """Tell whether the columns that the other's templates take are never blank where the rule matches."""
    sure = rule.filled | {wish.column for wish in rule.wishes if not wish.blank and "" not in wish.beginnings}
    return other.filled <= sure


def _overlap(rule: Reach, other: Reach) -> bool:
    return (other.start or EVER) < (rule.end or NEVER) and (rule.start or EVER) < (other.end or NEVER)


def _always(rule: Reach, others: Iterable[Reach]) -> bool:
    """Tell whether at every moment at which the rule holds one of the others does."""
    reached = rule.start or EVER
    for other in sorted(others, key=lambda item: item.start or EVER):
        if (other.start or EVER) > reached:
            return False
        reached = max(reached, other.end or NEVER)
    return reached >= (rule.end or NEVER)

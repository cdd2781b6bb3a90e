"""Chips, models and their prices for people: what is known, what is in force, and why the rest is not used."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date

from costctl.files.sheets import Row
from costctl.rates import meant, tiers
from costctl.rates.columns import LAYERS, POWER_BASES, UNSURE
from costctl.rates.facts import ANY, Facts
from costctl.rates.intervals import Key, Rate

Texts = dict[str, str | None]
TEMPLATE = (
    *("provider", "machine", "chip", "region", "purchase_model", "term_months", "layer", "price_per_chip_hour"),
    *("currency", "valid_from", "valid_to", "confidence", "source", "notes"),
)
PRICE = (
    *("provider", "machine", "purchase_model", "price_per_chip_hour", *tiers.COLUMNS, "region", "layer", "term_months"),
    *("currency", "valid_from", "valid_to", "as_of", "confidence", "state", "card"),
)
OWNED_TEMPLATE = (
    *("power", "kw_per_chip", "pue", "price_per_kwh", "colocation", "colocation_per_month"),
    *("maintenance", "maintenance_per_month", "site", "team", "model", "valid_to", "source"),
)


def chips(facts: Facts, day: date) -> list[Texts]:
    """Return every chip with its machines, its prices in force and the range of its on-demand list prices in USD."""
    machines = Counter(row["chip"] for row in facts.rows("machines") if row["chips"] and row["provider"] != ANY)
    in_force = [rate for rate in facts.chip_rates if rate.holds(day)]
    prices = Counter(rate.key[2] for rate in in_force)
    power = {rate.key: rate for rate in facts.power if rate.holds(day)}
    return [_chip(row, machines, prices, _on_demand(row, in_force)) | _power(row, power) for row in facts.rows("chips")]


def _power(chip: Row, power: Mapping[Key, Rate]) -> Texts:
    found = (power.get((chip["chip"], basis)) for basis in POWER_BASES)
    rate = next((rate for rate in found if rate), None)
    return (
        {"watts": rate.row.texts["watts"], "watts_of": str(rate.key[1])} if rate else {"watts": None, "watts_of": None}
    )


def _chip(row: Row, machines: Counter[str], prices: Counter[str | int | None], on_demand: list[Rate]) -> Texts:
    ordered = sorted(on_demand, key=lambda rate: rate.price)
    texts = [rate.text for rate in ordered]
    return {
        "short": row["short"],
        "title": row["title"],
        "lowest": texts[0] if texts else None,
        "highest": texts[-1] if texts else None,
        "prices": str(prices[row["chip"]]),
        "machines": str(machines[row["chip"]]),
        "chip": row["chip"],
        "memory_gb": row["memory_gb"],
        "price_visibility": row["price_visibility"],
    }


def _on_demand(chip: Row, rates: list[Rate]) -> list[Rate]:
    wanted = (chip["chip"], "on_demand", "list", "USD")
    return [rate for rate in rates if (rate.key[2], rate.key[4], rate.key[6], rate.key[7]) == wanted]


def template(name: str, facts: Facts) -> str:
    """Return a card of one contract price of a chip, its price left empty; a card with an empty price is refused."""
    chip = chip_named(name, facts)
    providers = sorted({row["provider"] for row in facts.rows("machines") if row["chip"] == chip["chip"]} - {ANY})
    return _as_card(
        dict.fromkeys(TEMPLATE, "")
        | {
            "provider": providers[0] if providers else "",
            "chip": chip["short"],
            "region": "*",
            "purchase_model": "private_contract",
            "currency": "USD",
            "layer": "contract",
            "confidence": "contract",
        }
    )


def pricing(chip: Row) -> str:
    """Return how a chip comes by a price that nobody publishes."""
    card = f"costctl rates template {chip['short']} writes a card"
    return f"{card}: fill in your price and name the file under `cards:` in costctl.yaml."


def owned_template(name: str, facts: Facts) -> str:
    """Return a card of an owned chip, its amounts left empty; a card with an empty acquisition cost is refused."""
    row = {"asset": "", "chip": chip_named(name, facts)["short"], "chips": "", "in_service": "", "currency": "USD"}
    return _as_card(row | dict.fromkeys(("acquisition_cost", "useful_life_months", *OWNED_TEMPLATE), ""))


def _as_card(row: dict[str, str]) -> str:
    return f"{','.join(row)}\n{','.join(row.values())}\n"


def chip_named(name: str, facts: Facts) -> Row:
    """Return a chip by id, short name or title; raise UsageError when there is none, or more than one."""
    exact = facts.chips.get(name.lower())
    found = [exact] if exact else meant.fitting_chips(name, facts)
    return meant.one("CHIP", name, found, meant.unknown_chip(name, facts))


def prices(facts: Facts, chip: str, day: date) -> list[Texts]:
    """Return every price of a chip, in force or not, best layer first; the regions of one interval share a line."""
    rows = [row for row in facts.rows("chip_prices") if row["chip"] == chip]
    settled = _by_row(facts.chip_rates)
    lines = [line for row in rows for line in _lines(row, settled.get(row.card, []), day)]
    return sorted(lines, key=_order)


def readable(lines: Sequence[Texts]) -> list[Texts]:
    """Return the prices of a chip as a table shows them, and their tiers in words where any price has one."""
    tiered = any(line["tier_mode"] for line in lines)
    return [_readable(line, tiered=tiered) for line in lines]


def _readable(line: Texts, *, tiered: bool) -> Texts:
    span, mode = tiers.words(line)
    first = {name: line[name] for name in ("provider", "machine", "purchase_model")}
    first |= {"price": line["price_per_chip_hour"]}
    first |= {"tier": span, "region": line["region"], "tier_mode": mode} if tiered else {}
    told = {*first, *tiers.COLUMNS, "price_per_chip_hour"}
    return first | {name: value for name, value in line.items() if name not in told}


def _by_row(rates: Iterable[Rate]) -> dict[str, list[Rate]]:
    found: dict[str, list[Rate]] = defaultdict(list)
    for rate in rates:
        found[rate.row.card].append(rate)
    return found


def _order(line: Texts) -> tuple[int, list[str]]:
    columns = ("provider", "machine", "purchase_model", "region", "valid_from", "card")
    return LAYERS.index(line["layer"] or LAYERS[-1]), [line[column] or "" for column in columns]


def _lines(row: Row, rates: list[Rate], day: date) -> Iterator[Texts]:
    for begins, ends, card in dict.fromkeys((rate.valid_from, rate.valid_to, rate.card) for rate in rates):
        same = [rate for rate in rates if (rate.valid_from, rate.valid_to, rate.card) == (begins, ends, card)]
        state = _state(same[0], day)
        regions = " ".join(str(rate.key[3]) for rate in same)
        yield _line(row, str(same[0].key[6]), regions, state, (begins, ends)) | {
            "price_per_chip_hour": same[0].text,
            "card": card,
        }
    if not rates:
        state = _unused(row, "price_per_chip_hour")
        yield _line(row, row["layer"] or "list", " ".join(row["region"] or ("*",)), state, (None, None))


def _unused(row: Row, column: str) -> str:
    if row[column] is None:
        return f"not used: no {column.replace('_', ' ').replace('chip hour', 'chip-hour')}"
    return f"not used: {row['confidence']}" if row["confidence"] in UNSURE else "not used: your card has another"


def _state(rate: Rate, day: date) -> str:
    return "in force" if rate.holds(day) else "ended" if rate.valid_to and rate.valid_to <= day else "later"


def _line(row: Row, layer: str, regions: str, state: str, holds: tuple[date | None, date | None]) -> Texts:
    begins, ends = holds
    return {column: row.texts.get(column) for column in PRICE} | {
        **{name: row[name] for name in ("provider", "machine", "purchase_model", "confidence")},
        "region": regions,
        "layer": layer,
        "valid_from": begins.isoformat() if begins else None,
        "valid_to": ends.isoformat() if ends else None,
        "state": state,
        "card": row.card,
    }


def model_named(name: str, facts: Facts) -> str | None:
    """Return a model that has a price by its name in any case, None where there is none."""
    return next((row["model"] for row in facts.rows("model_prices") if row["model"].lower() == name.lower()), None)


def token_prices(facts: Facts, model: str, day: date) -> list[Texts]:
    """Return every price of a model's tokens, in force or not, best layer first."""
    settled = _by_row(facts.model_rates)
    rows = [row for row in facts.rows("model_prices") if row["model"] == model]
    lines = [_token_line(row, rate, day) for row in rows for rate in _pieces(settled.get(row.card, []))]
    columns = ("provider", "channel", "region", "service_tier", "token_class", "valid_from", "card")
    return sorted(
        lines, key=lambda line: (LAYERS.index(line["layer"] or LAYERS[-1]), [line[name] or "" for name in columns])
    )


def _pieces(rates: Iterable[Rate]) -> Sequence[Rate | None]:
    """Return one rate for each span of days that a row holds, whatever the regions and hours; None where it holds on none."""
    return [*{(rate.valid_from, rate.valid_to): rate for rate in rates}.values()] or [None]


def _token_line(row: Row, rate: Rate | None, day: date) -> Texts:
    told = ("context_tier", "time_window_utc", "as_of", "confidence")
    return {
        "provider": row["provider"],
        "channel": row["channel"],
        "token_class": row["token_class"],
        "price_per_million": row.texts.get("price_per_million"),
        "service_tier": row["service_tier"] or "standard",
        "region": " ".join(row["region"] or ("*",)),
        **{name: row.texts.get(name) for name in told},
        "layer": str(rate.key[6]) if rate else row["layer"] or "list",
        "currency": row["currency"],
        "valid_from": rate.valid_from.isoformat() if rate and rate.valid_from else None,
        "valid_to": rate.valid_to.isoformat() if rate and rate.valid_to else None,
        "state": _state(rate, day) if rate else _unused(row, "price_per_million"),
        "card": row.card,
    }

"""The price of each token class of a model at one time and for one prompt, found by the very models that rate every bought token."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from costctl.errors import UsageError, shown
from costctl.ledger import build, store
from costctl.rates import meant, names, tables
from costctl.rates.facts import Facts
from costctl.rates.intervals import Rate

MODELS = (
    "model_names",
    "usage_span",
    "usage_reach",
    "token_owners",
    "usage_scopes",
    "price_bounds",
    "counted_tokens",
    "token_prices",
    "bought_tokens",
    "priced_tokens",
)
STUBS = (  # what these read of bills, of which there are none here
    names.STUB,
    "attributed_groups (slot_start TIMESTAMP, slot_end TIMESTAMP, x_token_class VARCHAR)",
)
USAGE = (
    *("delivery_id", "file_no", "record_no", "source", "evidence_role", "ts_start", "ts_end", "provider", "region"),
    *("model_raw", "team_raw", "task", "outcome", "requests", "convention", "convention_proof", "service_tier"),
)
# How a source counts what a card prices, and as what a bill says it.
COUNTED = {
    "input": ("input.uncached", "input"),
    "cache_read": ("input.cache_read", "cache_read"),
    "cache_write": ("input.cache_write.5m", "cache_write"),
    "cache_write_long": ("input.cache_write.1h", "cache_write"),
    "output": ("output.visible", "output"),
    "reasoning": ("output.reasoning", "output"),
}
NOT_IN_FORCE = "no price in force"  # as the model says it
REMEDIES = {  # what would settle a reason of the model
    NOT_IN_FORCE: "Ask for another day, --tier or --region, or add a card that holds then.",
    "its time spans a change of price": "Ask for an instant: --at 2026-11-10T01:00:00Z.",
    "the price depends on the length of each prompt": "Say how long it is: --tokens-in 120000.",
    "several prices: nothing tells the channel, or the currency": "Name the channel as --provider.",
}
ANY_PROMPT = 10**12  # two requests of so many tokens: each may be of any length

Texts = dict[str, str | None]
Alias = tuple[str, str, date, date]


@dataclass(frozen=True)
class Question:
    """What is asked: the prices of a model between two instants, which may be one, for a prompt of so many tokens."""

    provider: str
    model: str
    region: str | None
    start: datetime
    end: datetime
    prompt: int | None = None  # None: of any length
    tier: str = "standard"
    currency: str = "USD"


def lookup(question: Question, facts: Facts, aliases: Sequence[Alias]) -> list[Texts]:
    """Return the price of each token class that a card has for the model, or the reason why that class has none.

    Raises UsageError for a model that no card of the provider prices, and where no class has a price.
    """
    provider = meant.seller(question.provider, facts)
    rates = [rate for rate in facts.model_rates if rate.key[0] == provider and rate.key[-1] == question.currency]
    (found,) = rated([question], rates, aliases, tables.providers(facts))
    model = found["input"]["bought_model"].lower() if found else None  # nobody buys what is their own
    known = [rate for rate in rates if str(rate.key[2]).lower() == model]
    if not known:
        raise _unknown(question, provider, facts)
    priced = {rate.key[5] for rate in known}
    answers = [_answer(question, name, found[name], known) for name in COUNTED if name in priced]
    if not any(answer["price_per_million"] for answer in answers):
        raise _unpriced(question, answers, known)
    return answers


def rated(
    questions: Sequence[Question], rates: Sequence[Rate], aliases: Sequence[Alias], providers: Sequence[Sequence[Any]]
) -> list[dict[str, dict[str, Any]]]:
    """Return what the models say of each question, by token class; the questions are of one month."""
    asked = [(question, number, name) for number, question in enumerate(questions) for name in COUNTED]
    with store.in_memory() as ledger:
        build.bind(ledger)
        for stub in STUBS:
            ledger.run(f"CREATE TEMP TABLE {stub}")
        ledger.insert("ledger.providers", providers)
        ledger.insert("ledger.driving_roles", [("*", "gateway", None, 1)])
        ledger.insert("ledger.model_aliases", aliases)
        ledger.insert("ledger.model_prices", map(tables.model_price, rates))
        ledger.insert(f"ledger.token_usage ({', '.join(USAGE)})", [_usage(*item) for item in asked])
        ledger.insert("ledger.token_quantity", [line for item in asked for line in _quantities(*item)])
        build.derive(ledger, questions[0].start.date().replace(day=1), MODELS)
        rows = ledger.run("SELECT * FROM temp.priced_tokens").dicts()
    found: list[dict[str, dict[str, Any]]] = [{} for _ in questions]
    for row in rows:
        number, name = row["team"].split()
        if row["token_class"] == COUNTED[name][1]:  # and not the rest of its prompt
            found[int(number)][name] = row
    return found


def _usage(question: Question, number: int, name: str) -> tuple[Any, ...]:
    """Return one request of its own for a token class; what it is about stands in the place of the team."""
    requests = 2 if question.prompt is None else 1
    place = (name, 1, number, "lookup", "gateway", question.start, question.end)
    named = (question.provider, question.region, question.model, f"{number} {name}")
    return (*place, *named, "generate", "ok", requests, "exclusive", "declared", question.tier)


def _quantities(question: Question, number: int, name: str) -> Iterator[tuple[Any, ...]]:
    """Yield no token of the class asked about, and as many others as make the prompt."""
    prompt = ANY_PROMPT if question.prompt is None else question.prompt
    counted = {COUNTED[name][0]: 0, "input.uncached": prompt}
    for token_class, tokens in counted.items():
        yield name, 1, number, 1, token_class, tokens


def _unknown(question: Question, provider: str, facts: Facts) -> UsageError:
    models = [str(rate.key[2]) for rate in facts.model_rates if rate.key[0] == provider]
    what = f"{provider} has no machine, chip or model {shown(question.model)} with a price in {question.currency}"
    return meant.unknown(provider, question.model, facts, what=what, others=models)


def _unpriced(question: Question, answers: Sequence[Texts], known: Sequence[Rate]) -> UsageError:
    """Return the refusal of a question that no card answers: the reason for each token class, and what is nearest."""
    reasons: dict[str, list[str]] = {}
    for answer in answers:
        reasons.setdefault(answer["note"] or "", []).append(answer["token_class"] or "")
    evidence = [f"{', '.join(names)}: {reason}" for reason, names in reasons.items()]
    if NOT_IN_FORCE in reasons:
        evidence.append(f"the nearest is {_nearest(question, known)}")
    thing = f"{answers[0]['provider']} {answers[0]['model']}, {question.tier} ({question.currency})"
    what = f"there is no one price of {thing} at {question.start.isoformat()}"
    remedy = next((REMEDIES[reason] for reason in reasons if reason in REMEDIES), "")
    return UsageError("rates lookup", what, evidence=evidence, remedy=remedy)


def _nearest(question: Question, known: Sequence[Rate]) -> str:
    """Return the card that is nearest in tier and time, with the day that it is in force on and its tier."""
    asked = question.start.date()

    def day(rate: Rate) -> date:
        last = rate.valid_to - timedelta(days=1) if rate.valid_to else asked
        return max(rate.valid_from or date.min, min(asked, last))

    rate = min(known, key=lambda rate: (rate.key[4] != question.tier, abs(day(rate) - asked), rate.card))
    return f"{rate.card}, of {day(rate)}, {rate.key[4]}"


def _answer(question: Question, name: str, row: dict[str, Any], known: Sequence[Rate]) -> Texts:
    day = question.start.date()
    rate = next((rate for rate in known if rate.card == row["card"] and rate.holds(day)), None)
    texts = rate.row.texts if rate else {}
    return {
        "provider": row["provider"],
        "model": row["bought_model"],
        "token_class": name,
        "price_per_million": None
        if row["reason"]
        else rate.text
        if rate
        else f"{row['price_per_million'].normalize():f}",
        "currency": question.currency,
        "note": row["reason"],
        "channel": texts.get("channel"),
        "region": str(rate.key[3]) if rate else question.region,
        "service_tier": row["service_tier"],
        "context_tier": texts.get("context_tier"),
        "time_window_utc": texts.get("time_window_utc"),
        "at": question.start.isoformat(),
        "tokens_in": None if question.prompt is None else str(question.prompt),
        "layer": row["layer"],
        "valid_from": rate.valid_from.isoformat() if rate and rate.valid_from else None,
        "valid_to": rate.valid_to.isoformat() if rate and rate.valid_to else None,
        "as_of": texts.get("as_of"),
        "confidence": texts.get("confidence"),
        "card": row["card"],
    }

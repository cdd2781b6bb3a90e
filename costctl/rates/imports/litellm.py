"""LiteLLM's map of model prices: one object per model, a key for each token class, service tier and context tier.

https://github.com/BerriAI/litellm/blob/main/model_prices_and_context_window.schema.json
All its prices are in USD; per token there, per million here: the point is shifted, nothing is computed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from costctl.errors import shown
from costctl.files import nested
from costctl.rates import names
from costctl.rates.facts import Facts
from costctl.rates.imports import found
from costctl.rates.imports.found import Cells, Found, Left, Unfit, text_of

TITLE = "LiteLLM model price map"
HOLDS = "model_prices"
ABOUT = ("sample_spec", "fallback_generalizations")  # entries that are no model
MILLION = 10**6
CLASSES = {
    "input_cost_per_token": "input",
    "output_cost_per_token": "output",
    "cache_read_input_token_cost": "cache_read",
    "input_cost_per_token_cache_hit": "cache_read",  # as DeepSeek calls it, beside the name above
    "cache_creation_input_token_cost": "cache_write",
    "cache_creation_input_token_cost_above_1hr": "cache_write_long",
    "output_cost_per_reasoning_token": "reasoning",
}
TIERS = {"": "standard", "_batches": "batch", "_flex": "flex", "_priority": "priority"}
_KEY = re.compile(
    f"({'|'.join(sorted(CLASSES, key=len, reverse=True))})(?:_above_([0-9]+k)_tokens)?({'|'.join(TIERS)})"
)
CHANNELS = {
    "anthropic": "anthropic-api",
    "azure": "azure-openai",
    "azure_ai": "azure-foundry",
    "bedrock": "aws-bedrock",
    "bedrock_converse": "aws-bedrock",
    "cerebras": "cerebras",
    "deepseek": "deepseek-api",
    "gemini": "gemini-api",
    "groq": "groq",
    "openai": "openai-api",
    "vertex_ai": "google-vertex",
    "xai": "xai-api",
}
MULTIPLIERS = {"us": "us_inference_multiplier", "fast": "fast_multiplier"}  # of provider_specific_entry
PROFILES = {"us": "geo:us", "eu": "geo:eu", "global": "global"}  # before a model's name: where it is served
OTHER_PROFILES = ("apac", "au", "ca", "jp", "us-gov")
_PROFILE = re.compile(rf"(?:^|/)({'|'.join([*PROFILES, *OTHER_PROFILES])})[./]")
_REGION = re.compile(r"/([a-z]{2}(?:-[a-z]+)+-[0-9])/")


def recognises(signs: Collection[str]) -> bool:
    """Tell whether a file maps models to prices as LiteLLM does."""
    return "*/litellm_provider" in signs


def stated_day(_path: Path) -> str:
    """Return no day: the map does not say of when it is."""
    return ""


def prices(path: Path, facts: Facts) -> Iterator[Found]:
    """Yield every price of every model."""
    listed = [str(place[0]) for place, _ in nested.walk(path, lambda place: place == ()) if place]
    models = names.models(listed, facts)
    for place, entry in nested.walk(path, lambda place: place == ()):
        where = f"{path}:{nested.pointer(place)}"
        name = str(place[0]) if place else ""
        if name in ABOUT:
            continue
        try:
            cells = _named(name, entry, models, facts)
        except Unfit as unfit:
            yield Left(where, unfit.reason, unfit.example)
        else:
            yield from _of_model(where, entry, cells)


def _named(name: str, entry: Any, models: dict[str, str], facts: Facts) -> Cells:
    """Return the cells that all prices of a model share."""
    if not isinstance(entry, dict) or not any("cost" in key for key in entry):
        raise Unfit("entries without a price", name)
    raw = text_of(entry, "litellm_provider")
    family = "vertex_ai" if raw.startswith("vertex_ai") else raw
    provider, model = facts.providers.get(family.lower()), models.get(name.lower())
    if model is None:
        raise Unfit("models that model_aliases.csv does not know", name)
    if provider is None:
        raise Unfit("providers that providers.csv does not know", raw)
    return {
        "provider": provider,
        "channel": CHANNELS.get(family, ""),
        "model": model,
        "channel_model_id": name,
        "region": _region(name),
        "currency": "USD",
        **_multipliers(entry.get("provider_specific_entry")),
    }


def _multipliers(factors: Any) -> Cells:
    named = {column: text_of(factors, key) for key, column in MULTIPLIERS.items()}
    return {column: found.price(found.amount(text))[0] for column, text in named.items() if text}


def _region(name: str) -> str:
    place, profile = _REGION.search(name), _PROFILE.search(name)
    if profile and profile[1] in OTHER_PROFILES:
        raise Unfit("region profiles that cards have no name for", name)
    return place[1] if place else PROFILES[profile[1]] if profile else "*"


def _of_model(where: str, entry: dict[str, Any], shared: Cells) -> Iterator[Found]:
    keys = {key: _KEY.fullmatch(key) for key in entry if "cost" in key or "multiplier" in key}
    limits = {match[3]: set[str]() for match in keys.values() if match}
    for match in keys.values():
        if match and match[2]:
            limits[match[3]].add(match[2])
    for key, match in keys.items():
        place = f"{where}/{key}"
        if match is None:
            yield Left(place, "prices and factors for other things than the tokens of a card", shown(key))
        else:
            yield found.attempt(place, _cells, entry[key], match, limits[match[3]], shared)
    if "tiered_pricing" in entry:
        yield Left(f"{where}/tiered_pricing", "tiers in a list", shown(shared["channel_model_id"]))


def _cells(price: Any, match: re.Match[str], limits: set[str], shared: Cells) -> Cells:
    if len(limits) > 1:
        raise Unfit("prices of more than two context tiers", match[0])
    per_million, exact = found.price(found.amount(price) * MILLION)
    if not exact:
        raise Unfit("prices of more digits than a card holds", price)
    below = f"up to {next(iter(limits))}" if limits else "all"
    return {
        **shared,
        "service_tier": TIERS[match[3]],
        "context_tier": f"above {match[2]}" if match[2] else below,
        "token_class": CLASSES[match[1]],
        "price_per_million": per_million,
    }

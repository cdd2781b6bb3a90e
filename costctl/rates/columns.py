"""The columns of each rates file, and the words some of them take. A user's card has the same columns."""

from __future__ import annotations

from costctl.files import cells
from costctl.files.sheets import Field
from costctl.rates import scopes
from costctl.rates.overlays import KINDS

LAYERS = ("contract", "realised", "list", "model")  # in the order in which they win
PURCHASE_MODELS = frozenset(
    [
        *("on_demand", "spot", "reserved", "savings_plan", "commitment", "flex_start", "marketplace"),
        *("capacity_block", "capacity_reservation", "calendar_reservation", "dedicated_host"),
        *("provisioned_throughput", "private_contract", "long_term_rental", "owned_amortised", "colocation"),
        *("internal_transfer", "reference", "contract_reported", "purchase"),
    ]
)
PAYMENTS = ("none", "partial", "all_upfront")
MEASURES = ("hour", "chip_hour", "token")
TOKEN_CLASSES = ("input", "cache_read", "cache_write", "cache_write_long", "output", "reasoning", "audio", "image")
RUNNING = ("power", "colocation", "maintenance")  # what an owned chip costs besides its purchase
BORNE = ("card", "bill")  # charged by the card, or by a bill that is taken in anyway
TIER_MODES = ("graduated", "cliff")  # see tiers
POWER_BASES = ("all_in", "chip")  # with its share of host and network, or the package alone; the first known is taken
VISIBILITIES = ("public", "partial", "none")

# Who says so. A fact of the last line is kept and shown, and prices nothing until somebody settles it.
SURE = ("contract", "list", "vendor", "vendor via press", "dataset", "secondary", "estimate")
UNSURE = ("conflict", "partial", "rumour")
CONFIDENCES = (*SURE, *UNSURE)

# Machines of the last line are kept and shown, and no bill line is matched with them.
MATCHED = ("listed", "previous generation", "retiring")
UNMATCHED = ("unconfirmed", "name is ours", "does not exist publicly")
STATUSES = (*MATCHED, *UNMATCHED)


def _texts(names: str) -> tuple[Field, ...]:
    return tuple(Field(name) for name in names.split())


_VALIDITY = (Field("valid_from", cells.day), Field("valid_to", cells.day))
_OBSERVED = (Field("as_of", cells.about),)
_CONFIDENCE = (Field("confidence", cells.one_of(CONFIDENCES)),)

FILES: dict[str, tuple[Field, ...]] = {
    "providers": (
        Field("name", cells.name, required=True),
        Field("provider", cells.name, required=True),
        Field("channel", cells.name),
    ),
    "units": (
        Field("unit", cells.name, required=True),
        Field("measure", cells.one_of(MEASURES), required=True),
        Field("multiplier", cells.whole, required=True),
        Field("note"),
    ),
    "chips": (
        Field("chip", cells.name, required=True),
        Field("short", cells.name, required=True),
        *_texts(
            """vendor title family kind memory_gb memory_type mem_bw_tb_s bf16_dense_tflops fp8_dense_tflops
            fp4_dense_tflops int8_tops physical_cores_per_chip default_logical_devices_per_chip counting_unit sold_as announced_or_ga"""
        ),
        Field("price_visibility", cells.one_of(VISIBILITIES)),
        *_texts("source as_of source_read"),
        *_CONFIDENCE,
        Field("notes"),
    ),
    "power": (
        Field("chip", cells.name, required=True),
        Field("basis", cells.one_of(POWER_BASES), required=True),
        Field("watts", cells.whole, required=True),
        *(Field(name, cells.whole) for name in ("watts_low", "watts_high")),
        *_VALIDITY,
        *_OBSERVED,
        *_CONFIDENCE,
        *_texts("source notes"),
    ),
    "machines": (
        Field("provider", cells.name, required=True),
        Field("machine", required=True),
        Field("chip", cells.name, required=True),
        Field("chips", cells.fraction),
        Field("aliases", cells.aliases),
        *_texts("bill_unit bill_scope"),
        Field("status", cells.one_of(STATUSES)),
        Field("source"),
        *_OBSERVED,
        Field("notes"),
    ),
    "parts": (
        Field("provider", cells.name, required=True),
        *(Field(name, required=True) for name in ("part", "machine")),
        *_texts("source"),
        *_OBSERVED,
        Field("notes"),
    ),
    "families": (
        Field("provider", cells.name, required=True),
        Field("pattern", cells.name, required=True),
        *_texts("source"),
        *_OBSERVED,
        Field("notes"),
    ),
    "chip_prices": (
        Field("provider", cells.name, required=True),
        Field("machine"),
        Field("chip", cells.name),
        Field("region", cells.regions),
        Field("purchase_model", cells.one_of(PURCHASE_MODELS), required=True),
        Field("term_months", cells.whole),
        Field("payment", cells.one_of(PAYMENTS)),
        Field("layer", cells.one_of(LAYERS)),
        Field("price_per_chip_hour", cells.price),
        Field("tier_from", cells.quantity),
        Field("tier_to", cells.quantity),
        Field("tier_mode", cells.one_of(TIER_MODES)),
        Field("unit_price", cells.price),
        Field("price_unit"),
        Field("currency", cells.currency, required=True),
        *_VALIDITY,
        *_OBSERVED,
        Field("as_of_basis"),
        *_CONFIDENCE,
        *_texts("source cross_check notes"),
    ),
    "overlays": (
        Field("discount", required=True),
        Field("provider", cells.name, required=True),
        Field("machine"),
        Field("chip", cells.name),
        Field("region", cells.regions),
        Field("purchase_model", cells.one_of(PURCHASE_MODELS)),
        Field("kind", cells.one_of(tuple(KINDS)), required=True),
        Field("value", cells.price, required=True),
        Field("currency", cells.currency),
        Field("order", cells.whole, required=True),
        Field("stackable", cells.one_of(("yes", "no")), required=True),
        *_VALIDITY,
        *_texts("source notes"),
    ),
    "owned": (
        Field("asset", required=True),
        Field("chip", cells.name, required=True),
        Field("chips", cells.whole, required=True),
        Field("in_service", cells.day, required=True),
        *_VALIDITY,
        Field("currency", cells.currency, required=True),
        Field("provider", cells.name),
        *_texts("account site"),
        Field("acquisition_cost", cells.cost),
        *(Field(name, cells.quantity) for name in ("residual_value", "depreciation_per_month")),
        Field("useful_life_months", cells.whole),
        Field("capital_rate_percent", cells.price),
        *(Field(name, cells.one_of(BORNE)) for name in RUNNING),
        *(Field(name, cells.quantity) for name in ("kw_per_chip", "pue")),
        Field("price_per_kwh", cells.price),
        *(Field(f"{name}_per_month", cells.cost) for name in ("colocation", "maintenance", "commitment")),
        Field("price_per_chip_hour", cells.price),
        Field("chip_hours", cells.quantity),
        Field("availability_percent", cells.price),
        *_texts("team model purpose"),
        *_OBSERVED,
        *_CONFIDENCE,
        *_texts("source notes"),
    ),
    "model_prices": (
        Field("provider", cells.name, required=True),
        Field("channel", cells.name),
        Field("model", required=True),
        Field("channel_model_id"),
        Field("region", cells.regions),
        Field("service_tier", cells.name),
        Field("context_tier", scopes.context),
        Field("time_window_utc", scopes.window),
        Field("token_class", cells.one_of(TOKEN_CLASSES), required=True),
        Field("layer", cells.one_of(LAYERS)),
        Field("price_per_million", cells.price),
        Field("currency", cells.currency, required=True),
        *_texts("us_inference_multiplier fast_multiplier"),
        *_VALIDITY,
        *_OBSERVED,
        *_CONFIDENCE,
        *_texts("source cross_check notes"),
    ),
    "model_aliases": (
        Field("raw", cells.name, required=True),
        Field("model", required=True),
        *_VALIDITY,
        Field("note"),
    ),
    "claims": (
        *(Field(name, required=True) for name in ("subject", "baseline")),
        Field("ratio", cells.price, required=True),
        *_texts("metric source"),
        Field("date", cells.about),
        Field("notes"),
    ),
}

# A user's card says by this column what it holds: the first of these that its header has.
SIGNATURES = {
    "asset": "owned",
    "price_per_chip_hour": "chip_prices",
    "price_per_million": "model_prices",
    "watts": "power",
    "discount": "overlays",
    "chips": "machines",
    "part": "parts",
    "pattern": "families",
    "raw": "model_aliases",
    "ratio": "claims",
}

"""Who bears what no rule and no tag gives to anybody: tax, refunds, what a marketplace sells, support. They come after all rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from costctl.config.rules import Bearers
from costctl.rules.words import Facts

CLOUDS = ("aws", "azure", "gcp", "oci")  # what they publish themselves is not of their marketplace
CONDITIONS = {
    "tax": "\"ChargeCategory\" = 'Tax'",
    "refund": "\"ChargeClass\" = 'Correction'",
    "support": "LOWER(\"ServiceName\") LIKE '%support%'",
}
PUBLISHER, ISSUER = 'LOWER(TRIM("PublisherName"))', 'LOWER(TRIM("InvoiceIssuerName"))'


def bearing(bearers: Bearers, known: Facts, mark: Callable[[object], str]) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Yield of each kind of charge that has a bearer its name, the condition of its charges, and the team or the pool."""
    for kind, target in bearers.named():
        yield kind, CONDITIONS.get(kind) or _marketplace(known, mark), target


def _marketplace(known: Facts, mark: Callable[[object], str]) -> str:
    """Return the condition of a charge for what somebody else publishes than who provides it and who invoices it."""
    clouds = [name for name, provider in known.providers.items() if provider in CLOUDS]
    others = ["''", 'LOWER(TRIM("ProviderName"))', ISSUER, *map(mark, clouds)]
    return " AND ".join([f"{PUBLISHER} IS NOT NULL", *(f"{PUBLISHER} IS DISTINCT FROM {other}" for other in others)])

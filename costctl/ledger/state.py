"""What the ledger holds, for people and for proofs: deliveries, periods, quarantine, the fingerprint."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

from costctl.ledger.store import Ledger
from costctl.nouns import Rows

CONTENT = (
    "charges",
    "charge_parts",
    "charge_groups",
    "token_usage",
    "token_quantity",
    "counter_samples",
    "counter_gaps",
    "accelerator_usage",
    "accelerator_gauges",
    "model_names",
    "counted_tokens",
    "rated_chip_hours",
    "unknown_machines",
    "card_costs",
    "chip_time",
    "pool_time",
    "reserved_time",
    "spillover",
    "allocation_shares",
    "postings",
    "posting_days",
    "token_evidence",
    "token_days",
    "serving_days",
    "rated_tokens",
    "billed_to_effective",
    "recharged_use",
    "recharges",
    "delivery_totals",
    "quarantine",
    "quarantine_costs",
)
# What a delivery set aside counts for nothing once all of it was superseded.
IN_FORCE = (
    "delivery_id NOT IN (SELECT delivery_id FROM ledger.delivery_periods GROUP BY delivery_id HAVING NOT bool_or(live))"
)
NOTHING = hashlib.sha256().hexdigest()
COUNTS = {
    "quarantine": IN_FORCE,
    "quarantine_costs": IN_FORCE,
    "delivery_totals": "EXISTS (SELECT 1 FROM ledger.delivery_periods AS p WHERE p.live AND p.delivery_id = delivery_totals.delivery_id AND p.period = billing_period)",
}


def unknown_machines(ledger: Ledger, periods: Sequence[str]) -> list[tuple[str, str, int, Decimal, str]]:
    """Return the machines of some months whose chip-hours are not known: provider, name, charges, billed cost and currency, the dearest first."""
    query = (
        "SELECT n.provider, min(trim(g.x_machine)), CAST(sum(g.row_count) AS BIGINT), sum(g.BilledCost), g.BillingCurrency "
        "FROM ledger.unknown_machines AS n JOIN ledger.charge_groups AS g ON g.group_id = n.group_id AND g.billing_period = n.billing_period "
        "WHERE list_contains($periods, strftime(n.billing_period, '%Y-%m')) "
        "GROUP BY n.provider, n.name, g.BillingCurrency ORDER BY abs(sum(g.BilledCost)) DESC, n.provider, n.name, g.BillingCurrency"
    )
    return ledger.run(query, {"periods": list(periods)}).rows


def deliveries(ledger: Ledger) -> Rows:
    """Return one row per delivery: what it is, its periods, its row accounting."""
    return ledger.run(
        """
        SELECT
            d.source, d.format, d.scope, concat_ws('..', min(period_label), NULLIF(max(period_label), min(period_label))) AS periods,
            CASE WHEN bool_and(p.live) THEN 'live' WHEN bool_or(p.live) THEN 'partly live' WHEN count(p.live) = 0 THEN 'nothing kept' ELSE 'superseded' END AS state,
            f.files, f.records, f.kept, f.quarantined AS aside, f.excluded, x.rules AS excluded_by
        FROM ledger.deliveries AS d
        JOIN (
            SELECT delivery_id, count(*) AS files, CAST(sum(records) AS BIGINT) AS records, CAST(sum(kept) AS BIGINT) AS kept,
                CAST(sum(quarantined) AS BIGINT) AS quarantined, CAST(sum(excluded) AS BIGINT) AS excluded
            FROM ledger.delivery_files
            GROUP BY delivery_id
        ) AS f USING (delivery_id)
        LEFT JOIN (
            SELECT delivery_id, string_agg(rule || ' ' || records, ', ' ORDER BY rule) AS rules
            FROM (SELECT delivery_id, rule, CAST(sum(records) AS BIGINT) AS records FROM ledger.exclusions GROUP BY ALL HAVING sum(records) > 0)
            GROUP BY delivery_id
        ) AS x USING (delivery_id)
        LEFT JOIN (
            SELECT q.delivery_id, q.live, CASE e.kind WHEN 'bill' THEN strftime(q.period, '%Y-%m') ELSE strftime(q.period, '%Y-%m-%d') END AS period_label
            FROM ledger.delivery_periods AS q JOIN ledger.deliveries AS e USING (delivery_id)
        ) AS p USING (delivery_id)
        GROUP BY d.delivery_id, d.source, d.format, d.scope, f.files, f.records, f.kept, f.quarantined, f.excluded, x.rules
        ORDER BY d.source, d.scope, min(period_label), d.delivery_id
        """
    )


def periods(ledger: Ledger) -> Rows:
    """Return one row per billing period and currency: its state, its charges, how much of its cost has a team."""
    return ledger.run(
        "SELECT strftime(p.billing_period, '%Y-%m') AS period, p.state, g.currency, g.charges, g.effective, o.unallocated "
        "FROM ledger.periods AS p JOIN (SELECT billing_period, BillingCurrency AS currency, CAST(sum(row_count) AS BIGINT) AS charges, sum(EffectiveCost) AS effective "
        "FROM ledger.charge_groups GROUP BY ALL) AS g USING (billing_period) "
        "LEFT JOIN (SELECT billing_period, BillingCurrency AS currency, sum(EffectiveCost) FILTER (WHERE kind = 'unallocated') AS unallocated FROM ledger.postings GROUP BY ALL) AS o "
        "ON o.billing_period = p.billing_period AND o.currency = g.currency ORDER BY ALL"
    )


def quarantine(ledger: Ledger) -> Rows:
    """Return the fields that kept records out of the ledger, with the text of each record as it was delivered."""
    return ledger.run(
        "SELECT d.source, f.name AS file, q.line_no AS line, q.record_no AS record, q.column_name AS 'column', q.reason, q.value, q.raw "
        "FROM ledger.quarantine AS q JOIN ledger.deliveries AS d USING (delivery_id) JOIN ledger.delivery_files AS f USING (delivery_id, file_no) "
        f"WHERE {IN_FORCE} ORDER BY 1, 2, 4, 5"
    )


def fingerprint(ledger: Ledger) -> str:
    """Return the SHA-256 over every content table, ordered, without arrival data."""
    return fingerprint_of(parts(ledger))


def fingerprint_of(found: Iterable[tuple[str, str]]) -> str:
    """Return the fingerprint of a ledger whose tables have these hashes."""
    whole = hashlib.sha256()
    for table, part in found:
        whole.update(f"{table}={part}\n".encode())
    return whole.hexdigest()


def parts(ledger: Ledger) -> Iterator[tuple[str, str]]:
    """Yield each content table with the SHA-256 over its rows."""
    for table in CONTENT:
        if not ledger.run(f"SELECT 1 FROM ledger.{table} LIMIT 1").rows:  # twenty times as fast as to hash nothing
            yield table, NOTHING
            continue
        listed = ", ".join(
            f'COALESCE(CAST("{name}" AS VARCHAR), chr(0))' for name in sorted(ledger.columns(f"ledger.{table}"))
        )
        rows = f"ledger.{table} WHERE {COUNTS[table]}" if table in COUNTS else f"ledger.{table}"
        part = ledger.value(
            f"SELECT sha256(COALESCE(string_agg(h, '' ORDER BY h), '')) FROM (SELECT sha256(concat_ws(chr(1), {listed})) AS h FROM {rows})"
        )
        yield table, part

"""Charges that would count twice although their files differ: a month to date written again and again, two kinds of one bill."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from costctl.errors import InputRefused
from costctl.ledger import repeated
from costctl.ledger.intake import Intake
from costctl.ledger.store import Ledger

WHAT = (  # what is charged for, and since when; not its invoice, its tags and what of it a commitment paid, which a later file may know better
    "ChargePeriodStart, BillingAccountId, SubAccountId, ChargeCategory, ServiceName, SkuId, SkuPriceId, ResourceId, RegionId, ChargeDescription"
)
SAMPLE = 100_000  # charges of a billing period that are all looked at; of more, one in two, in three …, and all of them where these are alike
HELD = (
    f"SELECT delivery_id = $id AS mine, file_no, hash(delivery_id, file_no) AS file, CAST(ChargePeriodStart AS DATE) AS day, InvoiceId, ChargePeriodEnd, ChargeDescription, "
    f"hash({WHAT}) AS what, hash({WHAT}, ChargePeriodEnd, COALESCE(ConsumedQuantity, BilledCost)) AS charge FROM ledger.charges "
    "WHERE source = $source AND scope = $scope AND billing_period = $period AND part_no = 1 AND (BilledCost <> 0 OR EffectiveCost <> 0) "
    "AND hash(ChargePeriodStart, ResourceId, SkuId, ChargeDescription) % $step = 0"
)
OWN = " AND delivery_id = $id"
OF_ITS_DAYS = (  # with what other deliveries have of the time that this one has charges of
    " AND ChargePeriodStart BETWEEN (SELECT min(ChargePeriodStart) FROM ledger.charges WHERE delivery_id = $id AND billing_period = $period) "
    "AND (SELECT max(ChargePeriodStart) FROM ledger.charges WHERE delivery_id = $id AND billing_period = $period)"
)
IN_TWO = "min(file) AS one, max(file) AS other FROM held GROUP BY ALL HAVING min(file) <> max(file) AND count(DISTINCT InvoiceId) < 2"
DOUBLED = (  # of the days that two files have charges of: those that are alike, and those that one file has until later than the other
    f"same AS (SELECT charge, {IN_TWO}), grown AS (SELECT what, {IN_TWO} AND min(ChargePeriodEnd) <> max(ChargePeriodEnd) AND $grows), "
    "days AS (SELECT day FROM held GROUP BY day HAVING min(file) <> max(file)) "
    "SELECT h.file_no, count(COALESCE(s.one, g.one)), count(*), min(COALESCE(s.one, g.one)), min(COALESCE(s.other, g.other)) "
    "FROM held AS h JOIN days USING (day) LEFT JOIN same AS s USING (charge) LEFT JOIN grown AS g USING (what) "
    "WHERE h.mine GROUP BY h.file_no HAVING 2 * count(COALESCE(s.one, g.one)) > count(*) ORDER BY h.file_no DESC LIMIT 1"
)
BUCKETS = (  # of a bill by buckets each group of a bucket stands once; an answer that tells what is charged for is one of its own, beside one that does not
    "same AS (SELECT what, min(file) AS one, max(file) AS other FROM held GROUP BY what HAVING count(*) > 1), "
    "views AS (SELECT day, file, bool_and(ChargeDescription IS NULL) AS untold FROM held GROUP BY ALL), "
    "mixed AS (SELECT day, min(file) AS one, max(file) AS other FROM views GROUP BY day HAVING min(untold) <> max(untold)) "
    "SELECT h.file_no, count(COALESCE(s.one, m.one)) AS doubled, count(*), min(COALESCE(s.one, m.one)), max(COALESCE(s.other, m.other)) "
    "FROM held AS h LEFT JOIN same AS s USING (what) LEFT JOIN mixed AS m USING (day) "
    "WHERE h.mine GROUP BY h.file_no HAVING doubled > 0 ORDER BY h.file_no DESC LIMIT 1"
)
REMEDIES = {
    False: "If each file holds the month to date, say `deliveries: month_to_date` beside the source in costctl.yaml (name: {source}), or take in the newest alone, with --replace. "
    "If all of them belong together, say `deliveries: files` there, or --add.",
    True: "If the file repeats what is there, leave it out; if it is that one mended, take in the whole folder with --replace. "
    "If these are other charges that look alike, say --add.",
}
LOOSE = "Say --replace if it is the same bill, --add if both are to count."
LISTED = "Leave it out: what the manifest lists is complete. Say --add if both are to count."
ACCOUNTS = (  # Azure writes an account with its path or without
    "SELECT DISTINCT source, scope, ProviderName, regexp_extract(lower(COALESCE(SubAccountId, BillingAccountId)), '[^/]*$') AS account "
    "FROM ledger.charges WHERE list_contains($periods, billing_period) AND NOT (source = 'own' AND ServiceName IN ('Manual adjustment', 'Prepaid schedule'))"
)
MORE = "SELECT count(*) FROM ledger.deliveries WHERE source = $source AND scope = $scope AND dataset = $dataset AND delivery_id <> $id"
OTHERS = (
    "SELECT count(*) FROM ledger.delivery_periods AS p JOIN ledger.deliveries AS d USING (delivery_id) "
    "WHERE p.live AND list_contains($periods, p.period) AND d.kind = 'bill' AND NOT (d.source = $source AND d.scope = $scope)"
)


def refuse(ledger: Ledger, intake: Intake, period: date, rows: int) -> None:
    """Refuse files of which one has more than half of its charges in another that counts too, of the days that both have.

    More than half, because single charges of two files may be alike; but for a bill by buckets, where none are. `rows` is how many charges
    the delivery has of the period.
    What is declared to belong together, or says by itself which of several is the newest, is not looked at.
    """
    delivery = intake.delivery
    by_bucket = delivery.format.grain == "bucket"
    of_several = delivery.plain and not delivery.declared and (by_bucket or len(delivery.files) > 1)
    looked_at = delivery.appended or of_several or (by_bucket and delivery.to_date)
    if not looked_at or intake.standing or intake.settings.decision == "add":
        return
    about = {"id": intake.identity, "source": delivery.source, "scope": delivery.scope}
    values: dict[str, object] = about | {"period": period}
    steps = [1]  # a sample of a small file may be the one charge that is alike
    if not by_bucket:
        values["grows"] = not delivery.appended  # what is appended may say more of the same hour
        steps = list(dict.fromkeys([1 + rows // SAMPLE, 1]))
    query = f"WITH held AS MATERIALIZED ({HELD}{OF_ITS_DAYS if delivery.appended else OWN}), {BUCKETS if by_bucket else DOUBLED}"
    for step in steps:
        found = ledger.run(query, values | {"step": step}).rows
        if not found:
            return
    ((number, doubled, charges, *pair),) = found
    other = ledger.value(
        "SELECT min(name) FROM ledger.delivery_files WHERE list_contains($pair, hash(delivery_id, file_no)) AND NOT (delivery_id = $id AND file_no = $number)",
        {"pair": pair, "id": intake.identity, "number": number},
    )
    raise InputRefused(
        delivery.files[number - 1].name,
        f"holds charges of {intake.label(str(period))} {f'that {other} holds too' if other else 'twice'}: {doubled} of its {charges} of the same days",
        evidence=f"source {delivery.source}",
        remedy=REMEDIES[delivery.appended].format(source=delivery.source),
    )


def notes(ledger: Ledger, intake: Intake, periods: Sequence[date]) -> tuple[str, ...]:
    """Tell which other sources or exports bill an account of this delivery in the same periods: two kinds of one bill count twice."""
    delivery = intake.delivery
    values = {"periods": list(periods), "source": delivery.source, "scope": delivery.scope}
    if delivery.format.kind != "bill" or intake.settings.replayed or not ledger.value(OTHERS, values):
        return ()
    found = ledger.run(
        f"SELECT theirs.source, theirs.scope, min(account), count(DISTINCT account) FROM ({ACCOUNTS} AND delivery_id = $id) AS mine "
        f"JOIN ({ACCOUNTS} AND NOT (source = $source AND scope = $scope)) AS theirs USING (ProviderName, account) GROUP BY ALL ORDER BY ALL",
        values | {"id": intake.identity},
    ).rows
    if found:
        _refuse_beside(ledger, intake, *found[0][:3])
    return tuple(
        f"{repeated.named(source, scope)} bills {account}{f' and {number - 1} more accounts' if number > 1 else ''} in the same month: "
        "if both are one bill, it counts twice"
        for source, scope, account, number in found
    )


def _refuse_beside(ledger: Ledger, intake: Intake, source: str, scope: str, account: str) -> None:
    """Refuse a bill beside one that it is, or is to replace: the same source's without a manifest, another source's."""
    delivery, said = intake.delivery, intake.settings.decision
    evidence = f"{repeated.named(source, scope)} bills {account} in the same month"
    loose, listed = delivery.scope == repeated.NO_SCOPE, scope != repeated.NO_SCOPE
    if source == delivery.source and loose == listed and (said is None or (said == "replace" and loose)):
        raise InputRefused(
            delivery.files[0].name,
            f"bills what the ledger holds already, from files {'with' if listed else 'without'} a manifest",
            evidence=evidence,
            remedy=LISTED if listed else LOOSE,
        )
    if (
        said == "replace"
        and source != delivery.source
        and not ledger.value(MORE, delivery.key | {"id": intake.identity})
    ):
        raise InputRefused(
            delivery.files[0].name,
            f"is to replace what the ledger holds of source {delivery.source}, which is nothing",
            evidence=evidence,
            remedy=f"Say which source it is of: --source {source}. If it is a bill of its own, leave out --replace.",
        )

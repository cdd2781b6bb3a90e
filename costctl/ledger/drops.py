"""What a delivery changes of a month's cost: much taken away is refused by policy; what --replace changed is said."""

from __future__ import annotations

from datetime import date
from decimal import Decimal, localcontext

from costctl.errors import InputRefused
from costctl.ledger.intake import Intake
from costctl.ledger.store import Ledger

DIGITS = 80  # more than two stored amounts and a percentage can have
TOTALS = (
    "SELECT t.BillingCurrency, sum(t.BilledCost), sum(t.EffectiveCost) FROM ledger.delivery_totals AS t "
    "JOIN ledger.deliveries AS d USING (delivery_id) JOIN ledger.delivery_periods AS p ON p.delivery_id = t.delivery_id AND p.period = t.billing_period AND p.live "
    "WHERE d.source = $source AND d.scope = $scope AND t.billing_period = $period GROUP BY 1 ORDER BY 1"
)
Totals = dict[str, tuple[Decimal, Decimal]]


def totals(ledger: Ledger, intake: Intake, period: date) -> Totals:
    """Return what a month of the delivery's source and scope adds up to, billed and effective per currency."""
    values = {"source": intake.delivery.source, "scope": intake.delivery.scope, "period": period}
    return {currency: (billed, effective) for currency, billed, effective in ledger.run(TOTALS, values).rows}


def refuse(intake: Intake, period: date, before: Totals, after: Totals) -> None:
    """Raise InputRefused where a month lost more than the policy allows and nobody said --replace."""
    allowed = intake.settings.large_drop_percent
    if allowed is None or intake.decision is not None or intake.standing:
        return
    none = (Decimal(0), Decimal(0))
    for currency, costs in before.items():
        for name, was, now in zip(("billed", "effective"), costs, after.get(currency, none), strict=True):
            if _dropped(was, now, allowed):
                raise InputRefused(
                    intake.delivery.files[0].name,
                    f"takes more than {allowed.normalize():f} % of {intake.label(str(period))} of source {intake.delivery.source} away",
                    evidence=f"{name} was {_text(was)} {currency}, would be {_text(now)}; policy large_drop_percent",
                    remedy="Check that the export is whole. If it is right, say --replace.",
                )


def notes(intake: Intake, period: date, before: Totals, after: Totals) -> list[str]:
    """Say what a month was billed at before the user had it replaced, and is now."""
    if intake.settings.decision != "replace" or intake.settings.replayed:
        return []
    label, none = f"{intake.label(str(period))} of source {intake.delivery.source}", (Decimal(0), Decimal(0))
    billed = {currency: (was, after.get(currency, none)[0]) for currency, (was, _) in before.items()}
    return [
        f"{label}: billed {_text(was)} {currency} before, {_text(now)} now"
        for currency, (was, now) in billed.items()
        if was != now
    ]


def _dropped(was: Decimal, now: Decimal, allowed: Decimal) -> bool:
    with localcontext() as context:
        context.prec = DIGITS
        return was > 0 and (was - now) * 100 > was * allowed


def _text(amount: Decimal) -> str:
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text

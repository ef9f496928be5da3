"""What usage costs, and the invoices for it."""

from decimal import ROUND_HALF_UP, Decimal

# cents a unit
PRICES = {
    "compute-hours": Decimal("4.2"),
    "storage-gb": Decimal("0.85"),
    "support-tickets": Decimal(1500),
}
TAX_PERCENT = {"amer": Decimal(0), "apac": Decimal(10), "emea": Decimal(20), "latam": Decimal(16)}


def make_invoices(region: str, period: str, usage: dict[str, dict[str, int]]) -> list[dict]:
    """Make a region's invoices, one a customer, amounts in cents.

    Parameters:
        usage: units by product, by customer.
    """
    return [
        _invoice(f"{region.upper()}-{period}-{number:03}", region, customer, usage[customer])
        for number, customer in enumerate(sorted(usage), start=1)
    ]


def _invoice(number: str, region: str, customer: str, units: dict[str, int]) -> dict:
    net = _whole(sum((PRICES[product] * count for product, count in units.items()), Decimal(0)))
    tax = _whole(net * TAX_PERCENT[region] / 100)
    return {"number": number, "customer": customer, "net": net, "tax": tax, "gross": net + tax}


def _whole(amount: Decimal) -> int:
    return int(amount.quantize(Decimal(1), ROUND_HALF_UP))

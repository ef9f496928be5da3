"""The tasks of `nightly-etl`."""

from collections import Counter
from pathlib import Path

import cloaca

from .orders import BadRow, parse_row, read_rows

ORDERS = Path(__file__).parent / "data" / "orders.csv"

ALL_COUNTRIES = ""
TOP = 3
MAX_REJECTED_PERCENT = 10.0


@cloaca.workflow_params(
    country=(str, ALL_COUNTRIES),
    top=(int, TOP),
    max_rejected_percent=(float, MAX_REJECTED_PERCENT),
)
@cloaca.task(retry_attempts=3, retry_backoff="fixed", retry_delay_ms=500)
def extract(context):
    """
    what: Reads the order file as it is.
    why: What was read stays visible when a later task rejects it.
    """
    rows = read_rows(ORDERS)
    print(f"read {len(rows)} rows of {ORDERS.name}")
    context.set("rows", rows)
    return context


@cloaca.task(dependencies=["extract"], retry_attempts=1)
def clean(context):
    """
    what: Turns rows into orders and counts the ones that are wrong, by reason.
    why: A few bad rows are daily business; many mean that the export is broken.
    """
    rows = context.remove("rows")
    orders, rejected, seen = [], Counter(), set()
    for row in rows:
        try:
            if row["order_id"] in seen:
                raise BadRow("duplicate order")
            orders.append(parse_row(row))
            seen.add(row["order_id"])
        except BadRow as reason:
            rejected[str(reason)] += 1
            print(f"rejected {row['order_id']}: {reason}")

    percent = 100 * rejected.total() / len(rows)
    allowed = context.get("max_rejected_percent", MAX_REJECTED_PERCENT)
    if percent > allowed:
        raise ValueError(f"{percent:.1f} % of the rows are wrong, {allowed} % are allowed")
    context.set("orders", orders)
    context.set("rejected", dict(sorted(rejected.items())))
    return context


@cloaca.task(dependencies=["clean"], retry_attempts=1)
def aggregate(context):
    """what: Adds the orders up by country, day and customer."""
    country = context.get("country", ALL_COUNTRIES)
    orders = [
        order for order in context.remove("orders") if country in (ALL_COUNTRIES, order["country"])
    ]
    for name, key in (("by_country", "country"), ("by_day", "day"), ("by_customer", "customer")):
        cents = Counter()
        for order in orders:
            cents[order[key]] += order["cents"]
        context.set(name, dict(sorted(cents.items())))
    context.set("order_count", len(orders))
    return context


@cloaca.task(dependencies=["aggregate"], retry_attempts=1)
def report(context):
    """what: Writes what the sales team reads in the morning."""
    best = Counter(context["by_customer"]).most_common(context.get("top", TOP))
    context.set("revenue_cents", sum(context["by_country"].values()))
    context.set("top_customers", [name for name, _ in best])
    context.set(
        "report",
        f"{context['order_count']} orders, {_money(context['revenue_cents'])}, "
        f"{sum(context['rejected'].values())} rows rejected",
    )
    print(context["report"])
    for name, cents in best:
        print(f"  {name}: {_money(cents)}")
    return context


def _money(cents):
    return f"{cents // 100:,}.{cents % 100:02} EUR"

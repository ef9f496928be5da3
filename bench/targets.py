"""What the server is meant to reach."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """A bound on a figure.

    Parameters:
        figure: the figure's name.
        relation: `<=` or `>=`.
        limit: in the figure's own unit.
    """

    figure: str
    relation: str
    limit: float

    def is_met_by(self, value: float) -> bool:
        """Say whether a value keeps to the bound."""
        return value <= self.limit if self.relation == "<=" else value >= self.limit


TARGETS = (
    Target("latency_chain_p50", "<=", 40),
    Target("throughput_1_of_peer", ">=", 0.6),
    Target("throughput_50_of_1", ">=", 0.85),
    Target("fan_out_time_a_task_1000_of_250", "<=", 1.2),
    Target("recovery_max", "<=", 15),
    Target("memory_pss_without_postgresql", "<=", 400),
    Target("tenant_create_p50", "<=", 150),
    Target("start_first", "<=", 6),
    Target("start_later_p50", "<=", 3),
    Target("fairness_short_p99_beside_alone", "<=", 3),
    Target("fairness_long_p99_beside_alone", "<=", 3),
    Target("fairness_50_least_of_fair_share", ">=", 0.5),
    Target("tenants_1000_of_1000_create_p50", "<=", 150),
    Target("tenants_1000_api_p99_of_10", "<=", 1.2),
    Target("tenants_1000_tick_p50_of_10", "<=", 1.2),
    # as many workflows in at most 1.2 times the time
    Target("tenants_1000_rate_of_10", ">=", 1 / 1.2),
)

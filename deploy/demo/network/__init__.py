"""A synthetic national network for the demonstration, the tests and the benchmarks.

Real: municipalities, regions, the names and successions of authorities. Synthetic, and labelled so: points, addresses,
agreements, prices, visits, business ids, the division into employment areas.

    network = Network.make(seed=1, today=date)
    for command in network.commands(): ...          # parties, renames, successions, points, services, agreements, …
    for visit in network.visits(*network.last_months(), 60_000, now=now): ...
"""

from deploy.demo.network.commands import Command, VisitCommand
from deploy.demo.network.network import SYNTHETIC, TENANT, Network

__all__ = ["SYNTHETIC", "TENANT", "Command", "Network", "VisitCommand"]

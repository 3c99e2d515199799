"""The nine steps of the story, in order. Each raises when something does not hold."""

from collections.abc import Awaitable, Callable

from deploy.demo.steps.billing import amendment, billed, corrected
from deploy.demo.steps.counter import own_feed, recorded, stamped
from deploy.demo.steps.whole import broker_lost, rebuilt, statistics
from deploy.demo.world import World

Step = Callable[[World], Awaitable[None]]

STEPS: tuple[Step, ...] = (
    recorded,
    stamped,
    own_feed,
    billed,
    corrected,
    amendment,
    statistics,
    rebuilt,
    broker_lost,
)

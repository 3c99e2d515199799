"""Play the story: each step timed, each proof printed, a step that does not hold named and the rest still tried."""

from __future__ import annotations

import time

from deploy.demo.client import Refusal
from deploy.demo.load import LoadFailed
from deploy.demo.naive.evidence import Refused
from deploy.demo.steps import STEPS, Step
from deploy.demo.world import EarlierStepFailed, World
from deploy.dev.process import PartError

NOT_HELD = (Refused, Refusal, LoadFailed, EarlierStepFailed, PartError, KeyError, LookupError, TimeoutError, OSError)
"""What a step raises when a claim does not hold or a service does not do its part; anything else is a fault of ours."""


async def play(world: World) -> bool:
    """All steps in order. True if every one held."""
    teller = world.teller
    teller.say("story")
    began = time.monotonic()
    failed = [number for number, step in enumerate(STEPS, 1) if not await _played(world, number, step)]
    seconds = time.monotonic() - began
    print()
    if failed:
        teller.say("failed", failed=len(failed), steps=", ".join(map(str, failed)))
    else:
        teller.say("held", steps=len(STEPS), seconds=seconds)
    return not failed


async def _played(world: World, number: int, step: Step) -> bool:
    teller = world.teller
    title = teller.text(f"step_{number}", period=world.period, effective=world.amended_from)
    print(f"\n  {number}/{len(STEPS)}  {title}", flush=True)
    began = time.monotonic()
    reason = ""
    try:
        await step(world)
    except NOT_HELD as problem:
        reason = f"{type(problem).__name__}: {problem}"
        teller.refused(reason)
    print(f"       {teller.written(time.monotonic() - began)} s", flush=True)
    return not reason

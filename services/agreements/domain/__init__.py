"""The rules of the register and of agreements, pure: ``decide(register, command) → events``, ``Register.apply(event)``.

Nothing here reads a clock, a database or a token. The state is the whole register, not one stream, since the rules
reach across streams: an agreement stands on parties, points and services, and may not cover what another agreement
covers.
"""

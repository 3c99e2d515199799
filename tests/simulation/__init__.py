"""Seeded histories of crashes, duplicates and rebalances, judged by a naive recomputation.

- :mod:`.audit`, :mod:`.journal`: the judges. They read rows and records as anybody could, and import nothing of what
  they judge. The tests show that each of them can fail.
- :mod:`.broker`: a simulated broker with bad luck; :mod:`.proxy`: a network that loses COMMITs; :mod:`.doom`: processes
  that die at a chosen await.
- :mod:`.world`: the real writer, relay and projector on a real PostgreSQL, driven by one seed.
- :mod:`.rule_world`: the rule of relay and projector alone, many seeds a second.

    make sim                    more seeds than CI has time for
    make sim SEED=17            one seed again
"""

"""Evidence: what lets an outsider check the diary without trusting whoever runs it.

Pure functions over bytes; nothing here knows a database, a broker or a web server, so that the verifier runs
offline and starts at once. Read in this order:

- `canonical`   bytes made from values, and values read strictly from bytes
- `merkle`      the tree of RFC 9162, grown as a compact range; `proofs` proves and verifies over it
- `signing`     Ed25519 keys, C2SP signed notes and checkpoints, signed statements
- `commitment`  what a receipt says of a document without saying anything about it; sealing of private values
- `receipt`     the signed statement about one received document
- `manifest`    the signed count of one feed on one day
- `verify`      the offline verifier: `python -m services.chassis.evidence --help`
"""

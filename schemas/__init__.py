"""The contract between the services and with every subscriber.

Event models, the CloudEvents envelope, the registry of types, the topics, the upcasters, and the JSON Schemas and
samples that are frozen under ``published/`` and ``samples/``. This package imports nothing of ours and does no I/O
beyond reading its own files.
"""

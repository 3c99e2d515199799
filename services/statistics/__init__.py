"""Statistics: how much was done, where, for whom and how, at grains that compress.

Owns: cubes of acts, visits, documents and compensation, and the names and geography by which they are read; the
definitions of the measures. It keeps no log: all of it can be folded again from the others' topics.
Emits: nothing.
Consumes: ``apudiaari.diary.events``, ``apudiaari.agreements.events`` and ``apudiaari.billing.events`` into its
projection ``statistics``.
"""

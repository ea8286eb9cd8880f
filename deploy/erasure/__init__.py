"""A customer's erasure as operators and auditors see it: how far it is, what confirms it, and what proves it."""

"""The steps from each schema revision to the next.

A new one is a file in versions/ named after its number, with `upgrade()` and `downgrade()`, and its number
at the end of `camelx.storage.schema.REVISIONS`. A step never changes once it is released.
"""

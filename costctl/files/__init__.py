"""Bytes on disk.

packing   unpack with checksums, hash
tables    what a file holds, and its header
delimited CSV, record by record
sheets    a small CSV of ours or of the user's: cards, invoices, exchange rates
cells     what one cell of it may hold
objects   JSON, record by record
parquet   the only pyarrow
writing   atomic writes, the archive
faulting  the hook of the crash tests
"""

"""Bytes on disk.

packing   unpack with checksums, hash
tables    what a file holds, and its header
delimited CSV, record by record
objects   JSON, record by record
parquet   the only pyarrow
writing   atomic writes, the archive
"""

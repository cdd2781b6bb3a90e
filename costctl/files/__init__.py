"""Bytes on disk.

packing   unpack with checksums, hash
tables    what a file holds, its header, its records
objects   JSON records
parquet   the only pyarrow
writing   atomic writes, the archive
"""

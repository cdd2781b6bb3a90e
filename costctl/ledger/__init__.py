"""The ledger: the only DuckDB. `store` opens it, `records` reads files, `ingest` writes a delivery, `build` runs the models."""

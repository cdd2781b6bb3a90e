UPDATE ledger.periods SET fingerprint = NULL;

"""A plan carried out: engine, session, what exists and is up to date, results, record, verify, explain."""

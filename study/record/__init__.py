"""The durable record: the only room that knows Optuna's storage."""

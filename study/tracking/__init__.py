"""The published view: the only room that knows MLflow."""

"""The spec: its models, its reader, and the rules of what a study may change."""

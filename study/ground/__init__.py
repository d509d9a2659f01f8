"""The ground that every room stands on: secrets in URLs, signals, and where a test may make a driver die."""

"""Metrics that belong to no single app: retention lag and the last backup."""

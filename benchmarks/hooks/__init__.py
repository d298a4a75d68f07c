"""Processes of benchmarks/deliveries.py and benchmarks/accept.py: a receiver, steps inside Django, and Celery tasks."""

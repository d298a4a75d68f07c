"""What benchmarks/deliveries.py and benchmarks/accept.py start: a receiver, publishers, and the usual Celery task."""

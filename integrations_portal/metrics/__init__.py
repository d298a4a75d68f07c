"""What ``/metrics`` tells of no single app: how far retention is behind, and when a backup was made."""

"""Outgoing mail: queued in the transaction of its cause, sent by a periodic job."""

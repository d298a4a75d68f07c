"""Outgoing mail: queued in the transaction of the change that it reports, sent by a periodic job."""

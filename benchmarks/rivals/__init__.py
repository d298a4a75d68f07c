"""Rivals of the portal: the same trivial view and list of users behind the usual packages."""

"""What the portal is compared with: the same trivial view and list of users behind the usual packages."""

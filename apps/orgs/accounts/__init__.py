"""Pages of sign-in and of one's own account. What is not listed in ``apps/orgs/urls.py`` of allauth's is not there."""

"""Sign-in and the user's own account. Of allauth's pages only those in ``apps/orgs/urls.py`` are served."""

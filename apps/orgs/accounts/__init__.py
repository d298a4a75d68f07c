"""Sign-in and one's own account. Only the pages of allauth that ``apps/orgs/urls.py`` lists are served."""

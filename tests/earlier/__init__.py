"""A portal of an earlier commit, and people and programs that stay while its code changes.

Everything goes through commands, URLs and forms, which are promised: nothing here names a module that may move, so that
the same lines drive the old code and the new.
"""

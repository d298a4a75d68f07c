"""The key check: is this a key that works now, whose is it, and is it within its limits?"""

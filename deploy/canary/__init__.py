"""Searches every place of a system for what may stand nowhere: the values of a customer who is erased."""

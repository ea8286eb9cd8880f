"""Each kind of value brought to its one form, one module a kind. Pure; nothing here ever fails for what was written."""

"""How what is known of a customer came to be: field by field, event by event."""

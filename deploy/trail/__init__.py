"""Questions to the trail: what the four logs say about who did what, and who saw what."""

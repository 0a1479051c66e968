"""Time: what is due when."""

"""Plans what is due later and fires it on time."""

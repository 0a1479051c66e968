"""What travels between services: the envelope, one class per event and command, and who consumes which."""

"""The gateway against nginx, a plain proxy and no proxy at all: the parts that take part."""

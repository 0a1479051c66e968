"""The browser console: a page at `/` and its assets, built from plain files when the gateway starts."""

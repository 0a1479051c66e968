"""The original's conversation files: `DIR/{userId}/{phone}.json`, each a JSON array of messages.

`files` reads and writes their text so that what was read can be written again to the byte; `messages` is what one
element means to us; `importing`, `verifying` and `exporting` are the commands' work.
"""

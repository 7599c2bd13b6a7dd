"""`verify serve DIR`: bundles and runs of a folder, looked at in a browser.

`catalogue` finds what is there, `bundles`, `runs` and `sessions` read it, `resources` says it as
JSON - over HTTP and, in pieces, over a websocket (`stream`) - and `pages` shows it. `guard` stands
before all of them. Nothing under DIR is written. Needs the extra `serve`; nothing else imports it.
"""

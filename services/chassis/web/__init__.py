"""The web shell every service's pages stand on: layout, messages, formats, charts, sign-in and the security edge.

Pages are complete without JavaScript. ``shell.mount_web`` is the one entrance; authors of pages meet ``Web.page``,
the macros of ``templates/ui.html``, ``format.Formatter``, ``listing.listing`` and ``charts``.
"""

"""A look at frames: an HTML page in which they are zoomed to their pixels, offline in one file or served on loopback.

`planes` reads what a file holds, `tiles` cuts it into pieces of several resolutions, `marks` says where amplifiers are,
`figures` sums up the values, `page` writes all of that into one file, and `server` answers a browser. The page needs no
framework and loads nothing from elsewhere; its style and script are the files in ``assets/``.
"""

"""The engine: packed trees, and the compiled loops that walk them.

Start with ``forest.py``; ``tree_packing.py`` makes a forest from any library's trees, ``nodes.py``
is the layout of a node, ``validation.py`` keeps the kernels within their arrays. Nothing here
knows a training library, a file or a server.
"""

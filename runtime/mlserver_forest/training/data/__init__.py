"""The channels of a training job, read to tables.

``channels.read_channel`` is where to start. It finds the format of a channel, reads its files or
streams through that format's parser, and gathers the rows in a ``Table``. What bytes mean is the
matter of ``formats``; here columns get their roles, and categories and classes are learned.
"""

"""The channels of a training job, read to tables.

``channels.read_channel`` is where to start. It finds the format of a channel, reads its files or
streams through that format's parser, and collects the rows in a ``Table``. ``formats``
says what bytes mean; here columns get their roles, and categories and classes are learned.
"""

"""The second channel: a text message, WeCom, DingTalk, mail — whatever Apprise can reach.

An optional extra (`pip install 'patrol[notify]'`). What goes out and when is dispatch.notices'
affair; here a queued notice is handed to one address. The only importer of apprise.
"""

from patrol.notify.channel import Channel, ChannelUnusable, Messenger, read_addresses

__all__ = ["Channel", "ChannelUnusable", "Messenger", "read_addresses"]

"""The files and streams of a channel, in any format, as blocks of rows."""

"""Reading what went over the wire: captures in, typed facts out.

`pcapng` writes and reads capture files, `frames` reads headers, `attempts` follows TCP connections, `streams` puts
their bytes in order, `connect`, `hello` and `queries` find CONNECT lines, TLS server names and DNS queries in them, and
`capture.Capture` answers the bench's questions with all of these. For whoever watches, `tail.Tail` follows a capture
that is being written, and `happenings.Happenings` tells what happens in it, as it comes. All times are seconds since
the epoch, all addresses `ipaddress` objects, and whatever was captured is taken as hostile: bounded, and never a reason
to fail.
"""

"""The camera farm: one asyncio process that is hundreds or thousands of RTSP cameras.

Each camera is live: its timeline runs whether or not anyone watches, a client that joins gets the
packets of this moment and waits for the next key frame. Loops of compressed frames are cut into
RTP packets once; sending a frame copies them, patches sequence number, timestamp and SSRC, and
makes one write.

options     what to serve, what came up
payload     access units → RTP payloads (RFC 6184, RFC 7798)
packets     RTP payloads → one patchable buffer per frame
vendors     the habits of five makers: paths, control URLs, parameter sets, channels
sdp, auth, message   the texts of RTSP
camera      one camera's timeline, streams and faults
play        one viewer: which frame is due, how it leaves
wheel       one timer for all viewers
connection  RTSP requests of one TCP connection
desk        sessions by number, their time-outs
control     the loopback channel that changes scenes and faults while it runs
serve       puts it all together
"""

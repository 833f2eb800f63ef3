"""The camera farm: one asyncio process that is hundreds or thousands of RTSP cameras.

Each camera is live: its timeline runs whether or not a client watches; a client that joins gets
the packets of this moment and waits for the next key frame. Loops of compressed frames are cut
into RTP packets once; sending a frame copies them, patches sequence number, timestamp and SSRC,
and makes one write. Run it with `python -m simulators.rtsp_farm --count 60 --out DIR`.

server         options, start-up and shutdown of the whole farm
camera         one camera's timeline, streams and faults
rtp_packets    access units → RTP payloads (RFC 6184, RFC 7798) → one patchable buffer per frame
playback       one viewer: which frame is due, how it is sent; the timer of all viewers
vendors        the dialects of five makers: paths, control URLs, parameter sets, channels
rtsp_messages, auth   the texts of RTSP
connection     the RTSP requests of one TCP connection
server_state   sessions by number, their time-outs
control        the loopback channel that changes scenes and faults while it runs
sockets        listening sockets, the RTP port pair, the port that refuses
process        the farm as a child process, for benchmarks and the demo
"""

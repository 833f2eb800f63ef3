"""What a user would otherwise write to get one key frame of a camera, each as a program of its own.

They are programs, not functions: each runs in a fresh process, so that its processor time (children
included) and its peak memory are its own, and so that this package itself imports none of the
libraries that it compares with. Input and output are one JSON document on stdin and stdout.
"""

from typing import Final

_PROLOGUE: Final = """
import json, os, resource, sys, threading, time
asked = json.load(sys.stdin)
def used(who):
    numbers = resource.getrusage(who)
    return numbers.ru_utime + numbers.ru_stime
def everything():
    return used(resource.RUSAGE_SELF) + used(resource.RUSAGE_CHILDREN)
def peak_mb():
    # Not ru_maxrss: a child inherits its parent's. This begins anew with each program.
    with open("/proc/self/status") as status:
        own = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    return max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / 1024
got = []
def in_threads(one):
    threads = [threading.Thread(target=one, args=(url,)) for url in asked["urls"]]
    [t.start() for t in threads]
    [t.join() for t in threads]
"""

_EPILOGUE: Final = """
start, cpu = time.monotonic(), everything()
work()
print(json.dumps({"got": len(got), "wall_s": time.monotonic() - start,
                  "cpu_s": everything() - cpu, "peak_rss_mb": peak_mb()}))
"""

_CV2: Final = """
os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = "rtsp_transport;tcp"
import cv2
def one(url):
    capture = cv2.VideoCapture(url, cv2.CAP_FFMPEG)
    okay, picture = capture.read()
    capture.release()
    if okay:
        got.append(picture.shape)
def work():
    in_threads(one)
"""

_PYAV_DEFAULT: Final = """
import av
def one(url):
    with av.open(url, options={"rtsp_transport": "tcp"}, timeout=30) as container:
        for frame in container.decode(video=0):
            got.append(frame.to_ndarray(format="bgr24").shape)
            return
def work():
    in_threads(one)
"""

_PYAV_TUNED: Final = """
import av
OPTIONS = {"rtsp_transport": "tcp", "probesize": "32", "analyzeduration": "0",
           "fflags": "nobuffer", "allowed_media_types": "video"}
def one(url):
    with av.open(url, options=OPTIONS, timeout=30) as container:
        stream = container.streams.video[0]
        stream.codec_context.skip_frame = "NONKEY"
        stream.codec_context.thread_count = 1
        for packet in container.demux(stream):
            if packet.is_keyframe:
                frames = stream.codec_context.decode(packet)
                frames += stream.codec_context.decode(None)
                if frames:
                    got.append(frames[0].to_ndarray(format="bgr24").shape)
                    return
def work():
    in_threads(one)
"""

_FFMPEG: Final = """
import subprocess
def one(url):
    done = subprocess.run(
        ["ffmpeg", "-nostdin", "-loglevel", "quiet", "-rtsp_transport", "tcp", "-threads", "1",
         "-skip_frame", "nokey", "-i", url, "-frames:v", "1", "-f", "rawvideo", "-pix_fmt",
         "bgr24", "-y", os.devnull])
    if done.returncode == 0:
        got.append(url)
def work():
    in_threads(one)
"""

_FLOOR: Final = """
import av, base64
frames = [base64.b64decode(text) for text in asked["frames"]]
codecs = asked.get("codecs") or ["h264"] * len(frames)
decoders = {codec: av.CodecContext.create(codec, "r") for codec in codecs}
for decoder in decoders.values():
    decoder.thread_count = 1
def work():
    for codec, data in zip(codecs, frames):
        decoder = decoders[codec]
        pictures = decoder.decode(av.Packet(data)) + decoder.decode(None)
        decoder.flush_buffers()
        got.append(pictures[0].to_ndarray(format="bgr24").shape)
"""

CV2: Final = _PROLOGUE + _CV2 + _EPILOGUE
PYAV_DEFAULT: Final = _PROLOGUE + _PYAV_DEFAULT + _EPILOGUE
PYAV_TUNED: Final = _PROLOGUE + _PYAV_TUNED + _EPILOGUE
FFMPEG: Final = _PROLOGUE + _FFMPEG + _EPILOGUE
FLOOR: Final = _PROLOGUE + _FLOOR + _EPILOGUE

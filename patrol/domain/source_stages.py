"""Stages of visits through ONVIF devices, ticket services and gateways, and whose move it is then.

An advice is `who: what`, in Chinese and in English.

`patrol probe` prints them. A failure that names a reason is advised on by that, every other one by
the last stage that was reached before it. Keyed by the names that streams.onvif, streams.ticket and
streams.gateways report, which stand above this package.
"""

from typing import Final

from patrol.domain.labels import Label, Labels

HTTP_STAGES: Final[Labels] = {
    "device": ("设备应答，读到时钟", "the device answered, its clock was read"),
    "profile": ("选定码流配置", "profile chosen"),
    "stream_uri": ("得到视频流地址", "stream address received"),
    "snapshot_uri": ("改用设备抓图", "its still picture instead"),
    "logged_in": ("已登录", "logged in"),
    "minted": ("取得票据地址", "ticket URL minted"),
    "expired": ("票据地址被拒，重新取一次", "the URL was refused, one more is minted"),
    "listed": ("已查看网关上的状态", "its state at the gateway was read"),
    "started": ("网关已开始点播", "the gateway started the stream"),
    "live_url": ("打开直播地址", "a live URL is opened"),
    "described": ("媒体服务器已应答", "the media server answered"),
}

_DEVICE: Final = (
    "网络/运维：此处没有 ONVIF 应答；核对 IP 与端口（多为 80、8000、8899），网页后台是否启用 ONVIF",
    (
        "network, maintainer: no ONVIF there; check address and port (often 80, 8000, 8899)"
        " and whether ONVIF is enabled in the device's pages"
    ),
)
_ACCOUNT: Final = (
    "运维（账号）：设备在，但不给配置；许多设备的 ONVIF 用户要另建，并给“媒体用户”以上权限",
    (
        "maintainer, credentials: the device is there and gives no profile; many want an"
        " ONVIF user of its own, with the rights of a media user"
    ),
)
_STREAM: Final = (
    "运维（摄像机）：得到了地址但没有关键帧；查 RTSP 端口（多为 554）是否放行，I 帧间隔调到 2–4 秒",
    (
        "maintainer, camera: the address came, a key frame did not; open the RTSP port (often"
        " 554) and set key frames every 2–4 s"
    ),
)
_SERVICE: Final = (
    "网络/平台：票据服务没有给令牌；核对 sources.yaml 的地址与密钥，本机出口 IP 是否在白名单",
    (
        "network, platform: the ticket service gave no token; check address and keys in"
        " sources.yaml and whether our public address is on its list"
    ),
)
_NO_URL: Final = (
    "平台管理员：登录成功但没有给出地址；核对设备编码与授权，profile 中 url 一节是否与文档一致",
    (
        "the platform's administrator: logged in, but no URL came; check the device's code"
        " and its grant, and `url:` of the profile against the documents"
    ),
)
_MEDIA: Final = (
    "平台/网络：地址已给出但没有画面；查媒体服务器端口是否放行，设备是否休眠",
    (
        "platform, network: a URL came and no picture; open the media server's ports; does"
        " the device sleep?"
    ),
)
_GATEWAY: Final = (
    "网络/网关管理员：网关接口不通；核对 sources.yaml 的 url、密钥与网关的白名单",
    (
        "network, gateway's administrator: its interface does not answer; check `url` and the"
        " key in sources.yaml and the gateway's list of addresses"
    ),
)
_PLAY: Final = (
    "网关管理员：点播没有成功；看设备是否在线、路数上限、网关的收流端口",
    (
        "the gateway's administrator: the stream did not start; is the device online, at its"
        " limit of streams; look at the gateway's media ports"
    ),
)
_LIVE: Final = (
    "网关管理员/网络：直播地址打不开或没有关键帧；查媒体端口是否放行，地址不对时设 rewrite_host",
    (
        "gateway's administrator, network: the live URL does not open or has no key frame;"
        " open the media ports; where its host is wrong set rewrite_host"
    ),
)

HTTP_STAGE_ADVICE: Final[dict[tuple[str, str], Label]] = {
    ("onvif", "begun"): _DEVICE,
    ("onvif", "device"): _ACCOUNT,
    ("onvif", "profile"): _ACCOUNT,
    ("onvif", "stream_uri"): _STREAM,
    ("onvif", "snapshot_uri"): _STREAM,
    ("onvif", "described"): _STREAM,
    ("ticket", "begun"): _SERVICE,
    ("ticket", "logged_in"): _NO_URL,
    ("ticket", "minted"): _MEDIA,
    ("ticket", "expired"): _MEDIA,
    ("ticket", "described"): _MEDIA,
    ("wvp", "begun"): _GATEWAY,
    ("wvp", "logged_in"): _GATEWAY,
    ("wvp", "listed"): _PLAY,
    ("wvp", "started"): _LIVE,
    ("wvp", "live_url"): _LIVE,
    ("wvp", "described"): _LIVE,
    ("zlm", "begun"): _GATEWAY,
    ("zlm", "listed"): _LIVE,
    ("zlm", "live_url"): _LIVE,
    ("zlm", "described"): _LIVE,
}

REASON_ADVICE: Final[dict[tuple[str, str], Label]] = {  # (scheme, or empty for all; reason)
    ("", "device_offline"): (
        "摄像机/农户：平台说设备不在线；查电源与宽带",
        "camera, household: the platform calls the device offline; check its power and line",
    ),
    ("", "not_found"): (
        "登记人员：平台没有这个设备或通道；核对 cameras.csv 中的编码",
        "who wrote the address: the platform has no such device or channel; check its code",
    ),
    ("", "no_grant"): (
        "平台管理员：账号无权查看该设备；请其授权",
        "the platform's administrator: the account may not view this device; ask for the grant",
    ),
    ("", "expired_ticket"): (
        "平台管理员：两次新取的地址都被拒；查本机时钟、地址有效期、是否限定来源 IP",
        (
            "the platform's administrator: two fresh URLs were refused; look at this machine's"
            " clock, the URL's life, and whether it is bound to a source address"
        ),
    ),
    ("", "vendor_error"): (
        "运维：平台的回答与 profile 不符；对照厂商文档修改 profile（errors、response、url）",
        (
            "maintainer: the answer does not fit the profile; compare it with the vendor's"
            " documents (errors, response, url)"
        ),
    ),
    ("", "target_refused"): (
        "运维：平台给出的地址不是公网地址；确认无误后写入 sources.yaml 的 allow",
        (
            "maintainer: the URL leads to no public address; if that is right, write it into"
            " `allow` of sources.yaml"
        ),
    ),
    ("", "tls_failed"): (
        "运维：对方的 TLS 或证书有问题；签发机构写入 site.yaml 的 camera_tls.ca_file，或核对端口",
        (
            "maintainer: its TLS or certificate is at fault; name its authority as"
            " camera_tls.ca_file in site.yaml, or check the port"
        ),
    ),
    ("", "scheme_refused"): (
        "平台管理员：平台给出的不是视频流地址，不会打开；请其给出 RTSP、RTMP、FLV 或 HLS 地址",
        (
            "the platform's administrator: the URL is no stream's and is not opened; ask for one"
            " of RTSP, RTMP, FLV or HLS"
        ),
    ),
    ("ticket", "stream_busy"): (
        "平台管理员：平台说路数已满或调用过多，稍后自动再试；核对账号的并发与频率上限",
        (
            "the platform's administrator: it is at its limit of streams or calls, and is asked"
            " again later; what limits does the account have?"
        ),
    ),
    ("", "stale"): (
        "平台管理员/运维：给出的是旧画面或停更的播放列表；不作为证据，查推流是否中断",
        (
            "platform's administrator, maintainer: an old picture, or a playlist that nobody"
            " renews; is the stream still pushed?"
        ),
    ),
    ("ticket", "login_refused"): (
        "运维（密钥）：票据服务不接受密钥或令牌；核对 sources.yaml 的 secrets 与 profile 的签名",
        (
            "maintainer, keys: the ticket service refuses keys or token; check `secrets` in"
            " sources.yaml and the profile's signing"
        ),
    ),
    ("wvp", "login_refused"): (
        "运维（账号）：网关不接受 api_key 或用户密码；在 WVP 页面核对",
        (
            "maintainer, credentials: the gateway refuses the api_key or user and password; look"
            " in WVP's pages"
        ),
    ),
    ("zlm", "login_refused"): (
        "运维（密钥）：ZLMediaKit 不接受 secret，或本机不在 allow_ip_range 内",
        "maintainer, keys: ZLMediaKit refuses the secret, or we are not in its allow_ip_range",
    ),
}


def source_advice(scheme: str, reason: str, last_stage: str) -> Label | None:
    """Whose move it is after a failed visit: by the reason, else by the last stage reached."""
    for key in ((scheme, reason), ("", reason)):
        if reason and key in REASON_ADVICE:
            return REASON_ADVICE[key]
    if reason == "login_refused":
        return None  # of the camera itself: as for every address
    return HTTP_STAGE_ADVICE.get((scheme, last_stage))

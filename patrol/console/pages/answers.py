"""What the pages of cameras answer a script when something cannot be done: words, and the list."""

from collections.abc import Callable
from typing import Any

from starlette.responses import JSONResponse

from patrol.console.camera_doors import CannotDo, Changed, Rejected
from patrol.console.pages.common import kind_words
from patrol.console.words import Words
from patrol.domain.words import FAULTS
from patrol.report.words import FAILURES, REFUSALS

NO_STORE = {"Cache-Control": "no-store"}
_OWN = {
    "too_many": ("同时查看的人太多,请稍后再试", "too many live looks just now, try again soon"),
    "newer_picture": (
        "已有更新的画面,请刷新后先看再认可",
        "a newer picture has come: load the page and look",
    ),
    "no_picture": ("最近的巡查里没有可用画面", "no usable picture of the last visits"),
    "no_folder": (
        "服务启动时没有指定配置目录",
        "the service was started without a configuration directory",
    ),
    "time_up": ("时间到,已自动停止", "the time is up"),
}


def told(do: Callable[[], Any], say: Words) -> JSONResponse:
    """What `do` answers, as JSON; or why not."""
    try:
        answer = do()
    except Rejected as exc:
        listed = [
            {"file": one.file, "line": one.line, "field": one.field, "text": one.text}
            for one in exc.problems
        ]
        words = say(
            f"有 {len(listed)} 处问题,未作任何更改", f"{len(listed)} problems; nothing was changed"
        )
        return JSONResponse({"error": 422, "words": words, "problems": listed}, 422, NO_STORE)
    except Changed:
        words = say(
            "其间有人改过,请刷新后再试", "somebody else changed it meanwhile; load it again"
        )
        return JSONResponse({"error": 409, "words": words}, 409, NO_STORE)
    except CannotDo as exc:
        return JSONResponse({"error": 409, "words": why_not(str(exc), say)}, 409, NO_STORE)
    return JSONResponse(answer, headers=NO_STORE)


def why_not(code: str, say: Words) -> str:
    """A refusal, a failure of the stream, or the words as they came."""
    for known in (_OWN, REFUSALS, FAILURES):
        if code in known:
            return say.pair(known[code])
    return kind_words(code, say) if code in FAULTS else code

// A live view: read the multipart answer part by part, show each picture with its age, say how it ended.
import { Parts, decoder } from "./multipart.js"

const root = document.getElementById("live"),
  form = document.getElementById("ask")
const frame = document.getElementById("frame"),
  blank = document.getElementById("blank"),
  age = document.getElementById("age")
const begin = document.getElementById("begin"),
  stop = document.getElementById("stop")
const t = (zh, en) => (root.dataset.lang === "zh" ? zh : en)
let under = null,
  taken = null,
  until = null,
  clockOffset = 0

function show(part) {
  if (/content-type: application\/json/i.test(part.head)) return JSON.parse(decoder.decode(part.body))
  taken = new Date(/x-taken-at: (\S+)/i.exec(part.head)[1])
  clockOffset = Date.now() - taken // the newest picture is the clock: this machine's may be wrong
  const address = URL.createObjectURL(new Blob([part.body], { type: "image/jpeg" }))
  const last = frame.src
  frame.src = address
  frame.dataset.frame = /x-frame: (\S+)/i.exec(part.head)?.[1] ?? "" // by which it can be filed
  frame.hidden = false
  blank.hidden = true
  if (last) URL.revokeObjectURL(last)
  tick()
  return null
}

function tick() {
  if (!taken) return
  age.hidden = false
  const old = Math.max(0, Math.round((Date.now() - clockOffset - taken) / 1000)),
    left = Math.max(0, Math.round((until - Date.now()) / 1000))
  age.textContent = t(`${old} 秒前的画面 · 还剩 ${left} 秒`, `${old} s old · ${left} s left`)
}

function over(message) {
  under = null
  taken = null
  delete frame.dataset.frame
  frame.hidden = age.hidden = true // what is no longer live is not left standing
  blank.hidden = false
  blank.textContent = message
  begin.hidden = false
  stop.hidden = true
}

form.addEventListener("submit", async (event) => {
  event.preventDefault()
  under = new AbortController()
  begin.hidden = true
  stop.hidden = false
  blank.textContent = t("正在连接摄像头…", "Connecting to the camera …")
  until = Date.now() + 1000 * Number(root.dataset.lasts)
  try {
    const answer = await fetch(`/api/cameras/${root.dataset.camera}/live`, {
      method: "POST",
      signal: under.signal,
      headers: {
        "content-type": "application/json",
        accept: "application/json",
        "x-patrol-csrf": document.querySelector('meta[name="csrf"]').content,
      },
      body: JSON.stringify({ for: root.dataset.for, reason: form.elements.reason.value.trim() }),
    })
    if (!answer.ok) {
      over((await answer.json().catch(() => ({}))).words ?? answer.statusText)
      return
    }
    over(await follow(answer.body.getReader()))
  } catch (error) {
    over(
      error.name === "AbortError"
        ? t("已停止。", "Stopped.")
        : t("连接中断。", "The connection was lost."),
    )
  }
})

async function follow(reader) {
  const parts = new Parts()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return t("已结束。", "It has ended.")
    for (const part of parts.feed(value)) {
      const ending = show(part)
      if (ending) return ending.words
    }
  }
}

stop.addEventListener("click", () => under?.abort())
addEventListener("pagehide", () => under?.abort())
document.addEventListener("visibilitychange", () => {
  if (document.hidden) under?.abort()
})
setInterval(tick, 500)

// Every page: the clock, the live line, logging out, buttons that post.
// Pages are HTML from the server; a piece that says data-live="topics" data-from="/address" is
// fetched anew when one of its topics moved. Nothing here knows what a page is about.

import { renew as renewPiece } from "./renewal.js"
import { deliver, onAttempt, sentence, submit, unsentOfAnybody } from "./kept.js"
import { leave, logInAgain, OtherAccount, request } from "./session.js"

const texts = document.body.dataset

export async function send(address, body, options = {}) {
  const answer = await request(address, {
    method: options.method ?? "POST",
    headers: body === undefined || body instanceof FormData ? {} : { "content-type": "application/json" },
    body: body === undefined || body instanceof FormData ? body : JSON.stringify(body),
    keepalive: options.keepalive ?? false,
  }).catch((error) => {
    const other = error instanceof OtherAccount
    throw new Error(other ? texts.stranger.replace("{account}", error.account) : texts.unreachable)
  })
  if (answer.status === 401) logInAgain()
  const reply = answer.status === 204 ? {} : await answer.json().catch(() => ({}))
  if (!answer.ok)
    throw Object.assign(new Error(reply.words ?? answer.statusText), { status: answer.status, reply })
  return reply
}

export function toast(text, kind = "") {
  const box = document.createElement("p")
  box.className = `toast ${kind}`
  box.textContent = text
  document.getElementById("toasts").append(box)
  setTimeout(() => box.remove(), kind === "bad" ? 9000 : 4000)
  return box
}

// ---- the clock, in the site's zone
const clock = document.getElementById("clock")
if (clock) {
  const shown = new Intl.DateTimeFormat(clock.dataset.lang, {
    timeZone: clock.dataset.zone,
    month: "2-digit",
    day: "2-digit",
    weekday: "short",
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
  })
  const tick = () => {
    clock.textContent = shown.format(new Date())
  }
  tick()
  setInterval(tick, 5000)
}

// ---- the live line, open only while somebody can see the page
const line = document.getElementById("line")
const listeners = []
export function onMoved(topics, act) {
  listeners.push({ topics: new Set(topics), act })
}

const AGAIN_MS = 2000,
  isDisplay = document.body.classList.contains("display")
let source
function listen() {
  if (source || document.hidden) return
  const since = document.body.dataset.rendered ?? new Date(0).toISOString() // what changed after it is told at once
  source = new EventSource(`/api/live?since=${encodeURIComponent(since)}`)
  source.addEventListener("hello", () => {
    if (line) {
      line.textContent = line.title = ""
      line.className = "line on"
    }
    deliver()
  })
  source.addEventListener("moved", (event) => {
    const moved = event.data.split(",")
    for (const one of listeners) if (moved.some((topic) => one.topics.has(topic))) one.act(moved)
  })
  source.addEventListener("error", () => {
    if (line) {
      line.textContent = line.title = line.dataset.lost
      line.className = "line off"
    }
    // A browser tries a cut line again by itself, an answer that is none (a proxy's 502, 401) never.
    if (source?.readyState !== EventSource.CLOSED) return
    source = undefined
    setTimeout(again, AGAIN_MS)
  })
}
async function again() {
  const answer = await fetch("/api/session", { headers: { accept: "application/json" } }).catch(() => null)
  if (answer?.status === 401 && isDisplay) location.reload() // its link makes it a new session
  else if (answer?.status === 401) return
  else listen()
}
document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    source?.close()
    source = undefined
    return
  }
  listen()
  for (const one of listeners) one.act([])
})

// ---- live pieces
for (const piece of document.querySelectorAll("[data-live]")) {
  let busy = false,
    again = false
  const renew = async () => {
    if (busy) {
      again = true
      return
    }
    busy = true
    try {
      const answer = await fetch(piece.dataset.from, { headers: { accept: "text/html" } })
      if (answer.redirected) return leave(() => location.reload()) // to the login page, or a display's own
      if (answer.ok) {
        renewPiece(piece, await answer.text(), piece.dataset.pick)
      }
    } catch {
      /* the line says so */
    } finally {
      busy = false
      if (again) {
        again = false
        renew()
      }
    }
  }
  onMoved(piece.dataset.live.split(" "), renew)
  if (piece.dataset.every)
    setInterval(
      () => {
        if (!document.hidden) renew()
      },
      1000 * Number(piece.dataset.every),
    )
}
if (listeners.length || document.body.dataset.listen !== undefined) listen()
export { listen }

// ---- a wall screen takes over what an upgrade changed, while the service answers
if (isDisplay)
  setInterval(async () => {
    const answer = await fetch("/api/session", { headers: { accept: "application/json" } }).catch(() => null)
    if (answer?.ok || answer?.status === 401) location.reload()
  }, 6 * 3600_000)

// ---- buttons
document.getElementById("logout")?.addEventListener("click", async () => {
  await deliver() // logging out empties the browser: what is kept must be sent first
  const left = await unsentOfAnybody()
  if (left.length && !confirm(texts.unsent.replace("{n}", left.length))) return
  try {
    await send("/api/logout")
  } finally {
    location.assign("/login")
  }
})
document.addEventListener("click", async (event) => {
  if (event.target.closest("[data-print]")) print()
  const button = event.target.closest("button[data-post]")
  if (!button || (button.dataset.ask && !confirm(button.dataset.ask))) return
  button.disabled = true
  try {
    await post(button)
  } catch (error) {
    toast(error.message, "bad")
  } finally {
    button.disabled = false
  }
})

// A button with data-kept (what it does, in words) is sent until it stands; others once.
async function post({ dataset }) {
  const body = dataset.body ? JSON.parse(dataset.body) : {}
  if (dataset.kept) {
    const { state, reply } = await submit(dataset.post, body, dataset.kept)
    if (state === "later") return
    if (state === "refused") throw new Error(sentence(reply))
  } else {
    await send(dataset.post, body).catch((error) => {
      throw new Error([error.message, error.reply?.detail].filter(Boolean).join(": "))
    })
  }
  toast(dataset.done ?? "✓")
  if (dataset.reload !== undefined) setTimeout(() => location.reload(), 600)
}
onAttempt(({ entry, state }) => {
  if (state === "done" && entry.tries > 0) toast(texts.delivered.replace("{what}", entry.what), "good")
})

// ---- a note that names a household or a full camera number is masked on phones: said at entry
document.addEventListener("change", async ({ target }) => {
  if (!target.matches("textarea[name=note], input[name=note], input[name=phoned]") || !target.value) return
  const checked = await send("/api/notes/check", { text: target.value.slice(0, 2000) }).catch(() => ({}))
  if (checked.warning) toast(checked.warning, "bad")
})

// ---- pictures that are gone say so
document.addEventListener(
  "error",
  (event) => {
    const picture = event.target
    if (!(picture instanceof HTMLImageElement) || picture.dataset.missing === undefined) return
    const note = document.createElement("p")
    note.className = "empty"
    note.textContent = picture.dataset.missing
    picture.replaceWith(note)
  },
  true,
)

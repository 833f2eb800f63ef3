// Actions that must not be lost: kept in IndexedDB, each with its own key, and sent until the server
// has accepted or refused them, by whichever page of the same account is open. The server drops
// repeats of a key. What is not sent, and what was refused unseen, stands on the page until it is.
import { beforeLeaving, newKey, openDatabase } from "./database.js"
import { account, logInAgain, OtherAccount, request, verdict } from "./session.js"

const TIMEOUT_MS = 20_000,
  WAITS_MS = [1000, 2000, 4000, 8000, 15_000]
const on = openDatabase("patrol-desk", { posts: { keyPath: "key" } })
const memory = new Map() // of this page: all there is where the browser keeps nothing
const underWay = new Set(),
  awaited = new Map(), // key → resolve, of a caller that waits for the first attempt
  listeners = []
let delivering = false,
  again = false,
  failures = 0,
  timer = 0,
  stranger = ""

async function everybodys() {
  const stored = await on("posts", "readonly", (store) => store.getAll()).catch(() => [...memory.values()])
  return stored.sort((a, b) => a.order - b.order)
}
export const keptPosts = async () => (await everybodys()).filter((entry) => entry.account === account)
export const unsentOfAnybody = async () => (await everybodys()).filter((entry) => entry.state === "waiting")

async function put(entry) {
  memory.set(entry.key, entry)
  await on("posts", "readwrite", (store) => store.put(entry)).catch(() => {})
}

async function drop(key) {
  memory.delete(key)
  await on("posts", "readwrite", (store) => store.delete(key)).catch(() => {})
}

// `act` hears of every attempt: {entry, state, reply}; the state is "done", "refused", "later", or
// "given up" when a person wants no more attempts.
export function onAttempt(act) {
  listeners.push(act)
}

// Keep an action and send it `after_ms` from now. The same action twice is one. Its key.
export const keepPost = (action) => beforeLeaving(keep(action))

async function keep({ address, body, what, after_ms = 0 }) {
  const all = await everybodys(),
    text = JSON.stringify(body)
  const same = all.find(
    (entry) =>
      entry.account === account &&
      entry.state === "waiting" &&
      entry.address === address &&
      JSON.stringify(entry.body) === text,
  )
  if (same) return same.key
  const entry = {
    key: newKey(),
    order: (all.at(-1)?.order ?? 0) + 1,
    account,
    address,
    body,
    what,
    not_before: Date.now() + after_ms,
    tries: 0,
    state: "waiting",
    words: "",
  }
  await put(entry)
  if (after_ms) schedule(after_ms)
  return entry.key
}

// Take an action back that is not being sent: true if it is gone.
export async function takeBack(key) {
  if (underWay.has(key)) return false
  const there = (await keptPosts()).some((entry) => entry.key === key)
  if (underWay.has(key)) return false
  await drop(key)
  draw()
  return there
}

// Send an action that was to wait, now.
export async function release(key) {
  const entry = (await keptPosts()).find((one) => one.key === key)
  if (entry?.state === "waiting") await put({ ...entry, not_before: 0 })
  deliver()
}

// Keep an action, send it, and wait for the first attempt: {state, reply}. What is refused while
// somebody waits for it is not kept; what is "later" is sent by itself.
export async function submit(address, body, what) {
  const key = await keepPost({ address, body, what })
  const first = new Promise((resolve) => {
    awaited.set(key, resolve)
  })
  deliver()
  return { key, ...(await first) }
}

export async function deliver() {
  if (delivering) {
    again = true
    return
  }
  delivering = true
  clearTimeout(timer)
  try {
    do {
      again = false
      await deliverOnce()
    } while (again)
  } finally {
    delivering = false
    draw()
  }
}

async function deliverOnce() {
  for (const entry of await keptPosts()) {
    if (entry.state !== "waiting") continue
    const wait = entry.not_before - Date.now()
    if (wait > 0) {
      schedule(wait)
      continue
    }
    const { state, reply } = await attempt(entry)
    if (state !== "later") {
      failures = 0
      continue
    }
    schedule(WAITS_MS[Math.min(failures++, WAITS_MS.length - 1)])
    for (const resolve of awaited.values()) resolve({ state, reply })
    awaited.clear()
    return
  }
}

function schedule(ms) {
  clearTimeout(timer)
  timer = setTimeout(deliver, ms + 20)
}

async function attempt(entry) {
  underWay.add(entry.key)
  try {
    const { state, reply } = await send(entry)
    if (state === "done") await drop(entry.key)
    else if (state === "later") await put({ ...entry, tries: entry.tries + 1 })
    else if (awaited.has(entry.key)) await drop(entry.key)
    else await put({ ...entry, state: "refused", words: sentence(reply) })
    awaited.get(entry.key)?.({ state, reply })
    awaited.delete(entry.key)
    for (const act of listeners) act({ entry, state, reply })
    return { state, reply }
  } finally {
    underWay.delete(entry.key)
  }
}

async function send(entry) {
  try {
    const answer = await request(entry.address, {
      method: "POST",
      headers: { "content-type": "application/json", "idempotency-key": entry.key },
      body: JSON.stringify(entry.body),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    })
    stranger = ""
    const reply = await answer.json().catch(() => ({}))
    const state = verdict(answer.status)
    if (state !== "login") return { state, reply: { status: answer.status, ...reply } }
    logInAgain()
  } catch (error) {
    if (error instanceof OtherAccount) stranger = error.account
  }
  return { state: "later", reply: {} }
}

export const sentence = (reply) => [reply.words, reply.detail].filter(Boolean).join(": ")

// The page goes: what it has kept is sent once more, without waiting for the answers.
addEventListener("pagehide", () => {
  for (const entry of memory.values())
    if (entry.state === "waiting" && !underWay.has(entry.key) && entry.account === account)
      request(entry.address, {
        method: "POST",
        headers: { "content-type": "application/json", "idempotency-key": entry.key },
        body: JSON.stringify(entry.body),
        keepalive: true,
      }).catch(() => {})
})
addEventListener("online", deliver)

// ---- what is not sent, on the page
const bar = document.getElementById("kept")

function line(text, button, act) {
  const p = document.createElement("p")
  p.textContent = text
  if (button) {
    const element = document.createElement("button")
    element.type = "button"
    element.textContent = button
    element.addEventListener("click", act)
    p.append(" ", element)
  }
  return p
}

async function draw() {
  if (!bar) return
  const phrases = bar.dataset,
    all = await everybodys()
  const own = all.filter((entry) => entry.account === account)
  const failed = own.filter((entry) => entry.state === "waiting" && entry.tries > 0)
  const refused = own.filter((entry) => entry.state === "refused")
  const others = new Map()
  for (const entry of all)
    if (entry.account !== account && entry.state === "waiting")
      others.set(entry.account, (others.get(entry.account) ?? 0) + 1)
  const lines = []
  if (failed.length) lines.push(line(phrases.waiting.replace("{n}", failed.length)))
  if (stranger && failed.length) lines.push(line(phrases.stranger.replace("{account}", stranger)))
  for (const entry of failed) lines.push(line(entry.what, phrases.stop, () => giveUp(entry)))
  for (const entry of refused)
    lines.push(
      line(`${phrases.refused} ${entry.what}: ${entry.words}`, phrases.understood, async () => {
        await drop(entry.key)
        draw()
      }),
    )
  for (const [name, count] of others)
    lines.push(line(phrases.others.replace("{account}", name).replace("{n}", count)))
  bar.replaceChildren(...lines)
  bar.hidden = !lines.length
}

async function giveUp(entry) {
  if (await takeBack(entry.key)) for (const act of listeners) act({ entry, state: "given up", reply: {} })
}

if (account) {
  draw()
  deliver()
}

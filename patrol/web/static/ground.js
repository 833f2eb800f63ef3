// The page of who walks patrols and of helpers: queues what is done, sends it when there is a link.
import { newKey } from "./database.js"
import { cachePage, locate, openPhone, smaller } from "./phone.js"
import { account, OtherAccount, request, verdict } from "./session.js"

const { queue, keep, kept, forget } = openPhone("patrol-ground")
const phrases = document.getElementById("phrases").dataset,
  line = document.getElementById("link"),
  said = document.getElementById("said")
let shown = null,
  online = true,
  refused = "",
  stranger = "" // the account that logged in meanwhile, in another window

// ---- the page
async function fetchState() {
  try {
    const answer = await fetch("/ground/api/state", { headers: { accept: "application/json" } })
    if (answer.status === 401) {
      logInAgain()
      return
    }
    if (!answer.ok) throw new Error(answer.status)
    const state = await answer.json()
    online = true
    stranger = state.account === account ? "" : state.account
    if (stranger) shown ??= await kept(`state:${account}`)
    else await keep(`state:${account}`, (shown = state))
  } catch {
    online = false
    shown ??= await kept(`state:${account}`)
  }
  await draw()
}

// A code that was read survives the login: it stays in the queue.
const logInAgain = () => location.assign("/login?next=/ground")

async function draw() {
  const waiting = (await queue.all()).filter((message) => message.account === account)
  showConnection(waiting)
  if (!shown) return
  fillList("patrols", shown.patrols.map((item) => walk(item, waiting)), "nopatrol")
  if (document.getElementById("cases")) {
    fillList("cases", shown.cases.map((item) => help(item, waiting)), "nocase")
    document.getElementById("reports").replaceChildren(...shown.reports.map(report))
  }
  const phone = document.getElementById("phone")
  phone.hidden = !shown.phone
  phone.href = `tel:${shown.phone}`
  phone.textContent = `${phrases.call} ${shown.phone}`
}

function fillList(ident, items, empty) {
  document.getElementById(ident).replaceChildren(...items)
  document.getElementById(empty).hidden = items.length > 0
}

function showConnection(waiting) {
  line.hidden = online && !waiting.length && !refused && !stranger
  line.textContent = [
    online ? "" : line.dataset.offline,
    waiting.length ? line.dataset.waiting.replace("{n}", waiting.length) : "",
    stranger ? line.dataset.stranger.replace("{account}", stranger) : "",
    refused ? line.dataset.refused + refused : "",
  ]
    .filter(Boolean)
    .join(" ")
}

function say(text, bad = false) {
  said.textContent = text
  said.hidden = !text
  said.classList.toggle("bad", bad)
}

const fresh = (ident) => document.getElementById(ident).content.firstElementChild.cloneNode(true)

function walk(item, waiting) {
  const card = fresh("walk")
  card.dataset.id = item.id
  card.className = `case ${item.points.some((point) => point.late) ? "red" : item.last_call ? "yellow" : ""}`
  card.querySelector("h2").textContent = item.title
  card.querySelector(".where").textContent = `${item.grid} · ${item.window} · ${item.state_words}`
  card.querySelector(".left").textContent = item.now ? item.left : ""
  card.querySelector(".points").replaceChildren(...item.points.map((point) => pointLine(item, point, waiting)))
  return card
}

function pointLine(patrol, point, waiting) {
  const row = document.createElement("li")
  const text = document.createElement("span")
  const queued = waiting.some((one) => one.patrol === patrol.id && one.point === point.point)
  const due = point.late ? phrases.late : phrases.due
  const words = queued ? phrases.queued : point.open ? due.replace("{at}", point.due) : point.words
  text.textContent = `${point.name} · ${words}`
  text.className = point.late ? "late" : ["done", "late"].includes(point.state) ? "done" : ""
  row.append(text)
  row.dataset.point = point.point
  const actions = document.createElement("span")
  if (point.map) {
    const map = document.createElement("a")
    map.href = point.map
    map.textContent = phrases.map
    actions.append(map, " ")
    if (point.open && patrol.now && !queued) {
      const button = document.createElement("button")
      button.type = "button"
      button.textContent = phrases.here
      button.dataset.here = point.point
      actions.append(button)
    }
  }
  row.append(actions)
  return row
}

function help(item, waiting) {
  const card = fresh("help")
  card.dataset.id = item.id
  card.className = `case ${item.urgent ? "urgent" : ""}`
  card.querySelector(".what").textContent = item.what
  card.querySelector(".level").textContent = item.level
  card.querySelector(".where").textContent = `${item.where} ${item.place} · ${item.found}`
  card.querySelector(".check").textContent = item.check
  for (const button of card.querySelectorAll("[data-step]")) {
    const before = waiting.some((one) => one.case === item.id && one.step === button.dataset.step)
    button.disabled = item[button.dataset.step] || before
    button.setAttribute("aria-pressed", String(button.disabled))
  }
  return card
}

function report(item) {
  const p = document.createElement("p")
  p.dataset.finding = item.id
  p.textContent = `${item.at} ${item.what} ${item.place} · ${item.words} ${item.case}`
  return p
}

// ---- the queue
async function enqueue(message, address) {
  const all = await queue.all()
  await queue.add({
    key: newKey(),
    order: (all.at(-1)?.order ?? 0) + 1,
    account,
    address,
    client_at: new Date().toISOString(),
    ...message,
  })
  await draw()
  await deliver()
}

let sending = false
async function deliver() {
  if (sending) return
  sending = true
  try {
    for (const message of await queue.all()) {
      if (message.account !== account) continue
      if (!(await send(message))) break
      await queue.drop(message.key)
    }
  } finally {
    sending = false
  }
  await fetchState()
}

// Send one message, its photo first: true when it is over and done with, accepted or refused.
async function send(message) {
  const { address, order: _order, account: _account, ...body } = message
  try {
    if (body.photo instanceof Blob) {
      const headers = { "content-type": "image/jpeg" }
      const { state, answer } = await attempt("/ground/api/photo", { headers, body: body.photo })
      if (state === "later") return false
      body.photo = answer.ok ? (await answer.json()).photo : ""
      // the name is kept: a report that is sent again sends no second photo
      await queue.add({ ...message, photo: body.photo })
    }
    const headers = { "content-type": "application/json" }
    const { state, answer } = await attempt(`/ground/api/${address}`, { headers, body: JSON.stringify(body) })
    if (state === "later") return false
    const told = await answer.json().catch(() => ({}))
    refused = answer.ok ? "" : `${told.words ?? answer.status} ${told.detail ?? ""}`
    if (address === "check-in")
      say(answer.ok ? `${phrases.point} · ${told.words}` : refused, !answer.ok || told.state !== "accepted")
    if (address === "report" && answer.ok) say(phrases.reported)
    online = true
    return true
  } catch (error) {
    // Of another account's session: kept until its owner is back.
    stranger = error instanceof OtherAccount ? error.account : ""
    online = error instanceof OtherAccount
    return false
  }
}

async function attempt(address, options) {
  const answer = await request(address, { method: "POST", ...options })
  stranger = ""
  const state = verdict(answer.status)
  if (state !== "login") return { state, answer }
  logInAgain()
  return { state: "later", answer }
}

// ---- check in: by the code behind # of the page's own address, or by location
async function readCode() {
  const code = decodeURIComponent(location.hash.slice(1))
  if (!code.includes("~")) return
  say(phrases.code)
  const client_at = new Date().toISOString()
  const place = await locate(5_000)
  if (decodeURIComponent(location.hash.slice(1)) !== code) return // another code was read meanwhile
  history.replaceState(null, "", "/ground")
  await enqueue({ code, client_at, ...(place ? { location: place } : {}) }, "check-in")
}

document.getElementById("main").addEventListener("click", async (event) => {
  const button = event.target.closest("button")
  if (!button) return
  const card = button.closest(".case")
  if (button.dataset.step) {
    button.disabled = true
    await enqueue({ case: card.dataset.id, step: button.dataset.step }, "say")
  }
  if (button.dataset.here) {
    button.disabled = true
    const place = await locate()
    if (!place) {
      say(phrases.noplace, true)
      button.disabled = false
      return
    }
    await enqueue({ patrol: card.dataset.id, point: button.dataset.here, location: place }, "check-in")
  }
})
document.getElementById("main").addEventListener("change", async (event) => {
  if (!event.target.matches("input[type=file]") || !event.target.files[0]) return
  const form = event.target.form,
    chosen = form.querySelector(".chosen")
  try {
    form.photo_ready = await smaller(event.target.files[0])
    chosen.src = URL.createObjectURL(form.photo_ready)
    chosen.hidden = false
  } catch {
    form.photo_ready = null
    say(phrases.badphoto, true)
  }
})
document.getElementById("report")?.addEventListener("submit", async (event) => {
  event.preventDefault()
  const form = event.target,
    { category, place, text, locate: locates } = form.elements
  const message = { category: category.value, place: place.value, text: text.value }
  if (!form.photo_ready && !message.text.trim()) {
    say(phrases.empty, true)
    return
  }
  if (form.photo_ready) message.photo = form.photo_ready
  const asks = locates.checked
  form.photo_ready = null
  form.reset()
  form.querySelector(".chosen").hidden = true
  document.getElementById("reporting").open = false
  const here = asks ? await locate() : undefined
  if (here) message.location = here
  await enqueue(message, "report")
})
document.getElementById("logout").addEventListener("click", async () => {
  await deliver() // logging out empties the phone: what waits must be sent first
  if ((await queue.all()).length) {
    draw()
    return
  }
  await request("/api/logout", { method: "POST" }).catch(() => {})
  await forget()
  location.assign("/login")
})

// ---- the link comes and goes
let source
function listen() {
  if (source || document.hidden) return
  const since = document.body.dataset.rendered ?? new Date(0).toISOString()
  source = new EventSource(`/api/live?since=${encodeURIComponent(since)}`)
  source.addEventListener("hello", () => {
    online = true
    deliver()
  })
  source.addEventListener("moved", (event) => {
    if (/cases|ground|queue/.test(event.data)) fetchState()
  })
  source.addEventListener("error", () => {
    online = false
    draw()
  })
}
document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    source?.close()
    source = undefined
  } else {
    listen()
    deliver()
  }
})
addEventListener("online", deliver)
addEventListener("hashchange", readCode)
addEventListener("offline", () => {
  online = false
  draw()
})
setInterval(() => {
  if (!document.hidden) deliver()
}, 15_000)
if ("serviceWorker" in navigator)
  cachePage("/ground", ["database.js", "phone.js", "session.js"]).then(
    () => {
      document.body.dataset.cached = ""
    },
    () => {},
  )
kept(`state:${account}`).then((last) => {
  shown ??= last
  draw()
})
listen()
deliver().then(readCode)

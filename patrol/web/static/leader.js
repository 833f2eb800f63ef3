// The grid leader's page: shows the cases, queues replies, sends them when there is a connection.
import { newKey } from "./database.js"
import { cachePage, locate, openPhone, smaller } from "./phone.js"
import { account, OtherAccount, request, verdict } from "./session.js"

const { queue, keep, kept, forget } = openPhone("patrol-leader")
const phrases = document.getElementById("phrases").dataset,
  line = document.getElementById("link")
const list = document.getElementById("cases")
const STEPS = { acknowledge: ["dispatched", "rework"], arrive: ["dispatched", "rework", "acknowledged"] }
const AFTER = { acknowledge: "acknowledged", arrive: "arrived" }
let shown = null,
  online = true,
  refused = "",
  stranger = "", // the account that logged in meanwhile, in another window
  cards = new Map()

// ---- the list
async function fetchCases() {
  try {
    const answer = await fetch("/leader/api/cases", { headers: { accept: "application/json" } })
    if (answer.status === 401) {
      location.assign("/login?next=/leader")
      return
    }
    if (!answer.ok) throw new Error(answer.status)
    const cases = await answer.json()
    online = true
    stranger = cases.account === account ? "" : cases.account
    if (stranger) shown ??= await kept(`cases:${account}`) // theirs are not shown on this page
    else await keep(`cases:${account}`, (shown = cases))
  } catch {
    online = false
    shown ??= await kept(`cases:${account}`)
  }
  await draw()
}

async function draw() {
  const waiting = await queue.all()
  showConnection(waiting)
  if (!shown) return
  const there = new Set()
  let before = null
  for (const item of shown.cases) {
    there.add(item.id)
    const card = cards.get(item.id) ?? make(item.id)
    fill(
      card,
      item,
      waiting.filter((message) => message.case === item.id),
    )
    if (before ? before.nextElementSibling !== card : list.firstElementChild !== card) {
      if (before) before.after(card)
      else list.prepend(card)
    }
    before = card
  }
  for (const child of [...list.children])
    if (!there.has(child.dataset.id)) {
      child.remove()
      cards.delete(child.dataset.id)
    }
  document.getElementById("none").hidden = shown.cases.length > 0
  const ended = document.getElementById("ended")
  ended.replaceChildren(
    ...shown.ended.map((item) => {
      const p = document.createElement("p")
      p.textContent = `${item.what} · ${item.place} · ${item.state_words}`
      return p
    }),
  )
  const phone = document.getElementById("phone")
  phone.hidden = !shown.phone
  phone.href = `tel:${shown.phone}`
  phone.textContent = `${phrases.call} ${shown.phone}`
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

function make(ident) {
  const card = document.getElementById("card").content.firstElementChild.cloneNode(true)
  card.dataset.id = ident
  cards.set(ident, card)
  return card
}

function fill(card, item, waiting) {
  const put = (name, text) => {
    const at = card.querySelector(`.${name}`)
    at.textContent = text
    at.hidden = !text
  }
  card.className = `case ${item.lamp} ${item.urgent ? "urgent" : ""}`
  put("what", item.what)
  put("level", item.level)
  put("where", `${item.grid} ${item.place}`)
  put("rework", item.rework)
  put("left", item.clock ? `${item.clock} · ${item.left}` : item.left)
  card.querySelector(".move").hidden = !item.move
  put("check", item.check)
  put("note", item.note)
  // a queued reply counts on this phone, even before it is sent
  const answered = waiting
    .map((message) => AFTER[message.type] ?? (message.result === "handled" ? "fed_back" : ""))
    .filter(Boolean)
    .at(-1)
  const state = answered ?? item.state
  const photos = item.photos ? ` · ${phrases.photos.replace("{n}", item.photos)}` : ""
  const not_mine = item.mine ? "" : ` · ${phrases.notmine}`
  const helped = item.helpers ? ` · ${phrases.helped}` : ""
  const extension = item.extension ? ` · ${item.extension}` : ""
  put("state", `${item.state_words}${photos}${not_mine}${extension}${helped}`)
  if (waiting.length) {
    const mark = document.createElement("span")
    mark.className = "sending"
    mark.textContent = ` ${phrases.sending}…`
    card.querySelector(".state").append(mark)
  }
  for (const button of card.querySelectorAll("[data-reply]"))
    button.disabled = !item.mine || !STEPS[button.dataset.reply].includes(state)
  const over = !item.mine || ["fed_back", "verified", "returned"].includes(state)
  for (const button of card.querySelectorAll("[data-open]")) button.disabled = over
  if (over) for (const form of card.querySelectorAll("form")) form.hidden = true
  card.querySelector("[data-extend]").disabled = over || waiting.some((message) => message.type === "extend")
  const helpers = card.querySelector("[data-helpers]")
  helpers.hidden = !item.mine || !item.open || !(item.may_ask_helpers || item.helpers)
  helpers.textContent = item.helpers ? phrases.nohelpers : phrases.helpers
  helpers.dataset.helpers = item.helpers ? "close" : "open"
  const map = card.querySelector(".map")
  map.hidden = !item.map
  if (item.map) map.href = item.map
  const look = card.querySelector(".look")
  look.hidden = !item.picture || !card.querySelector("figure").hidden
  look.dataset.picture = item.picture
  card.querySelector("ol").replaceChildren(
    ...item.history.map(([at, what, text]) => {
      const li = document.createElement("li")
      li.textContent = `${at} ${what} ${text}`
      return li
    }),
  )
}

// ---- replies
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
  deliver()
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
  await fetchCases()
}

// Send one message, its photo first: true when it is over and done with, accepted or refused.
async function send({ key, address, photo, order: _order, account: _account, ...body }) {
  try {
    if (photo && address === "say") {
      const sent = await attempt(`/leader/api/photo/${body.case}/${key}`, jpeg(photo))
      if (sent.state === "later") return false
    }
    const headers = { "content-type": "application/json" }
    const message = JSON.stringify({ key, ...body })
    const { state, answer } = await attempt(`/leader/api/${address}`, { headers, body: message })
    if (state === "later") return false
    const said = await answer.json().catch(() => ({}))
    // the photo of a new problem goes to the case that it became
    if (answer.ok && photo && address === "report" && said.case) {
      const sent = await attempt(`/leader/api/photo/${said.case}/${key}`, jpeg(photo))
      if (sent.state === "later") return false
    }
    refused = answer.ok ? "" : (said.words ?? String(answer.status))
    online = true
    return true
  } catch (error) {
    // Of another account's session: kept until its owner is back.
    stranger = error instanceof OtherAccount ? error.account : ""
    online = error instanceof OtherAccount
    return false
  }
}

const jpeg = (photo) => ({ headers: { "content-type": "image/jpeg" }, body: photo })

async function attempt(address, options) {
  const answer = await request(address, { method: "POST", ...options })
  stranger = ""
  const state = verdict(answer.status)
  if (state !== "login") return { state, answer }
  location.assign("/login?next=/leader")
  return { state: "later", answer }
}

list.addEventListener("click", async (event) => {
  const button = event.target.closest("button")
  const card = event.target.closest(".case")
  if (!button || !card) return
  const ident = card.dataset.id
  if (button.dataset.reply) {
    button.disabled = true
    await enqueue({ case: ident, type: button.dataset.reply, result: "", text: "" }, "say")
    card.querySelector(".arrival").hidden = button.dataset.reply !== "arrive"
  }
  if (button.dataset.skip !== undefined) button.form.hidden = true
  if (button.dataset.extend !== undefined) {
    const form = card.querySelector(".extension")
    form.hidden = !form.hidden
    if (!form.hidden) form.elements.text.focus()
  }
  if (button.dataset.helpers) {
    button.disabled = true
    await enqueue({ case: ident, open: button.dataset.helpers === "open" }, "helpers")
    button.disabled = false
  }
  if (button.dataset.open !== undefined) {
    const form = card.querySelector(".feedback")
    form.hidden = !form.hidden
    if (button.dataset.open) form.elements.result.value = button.dataset.open
    else form.elements.result.value = "in_progress"
    if (!form.hidden) form.elements.text.focus()
  }
  if (button.matches(".look")) {
    const figure = card.querySelector("figure")
    figure.querySelector("img").src = button.dataset.picture
    figure.hidden = false
    button.hidden = true
    enqueue({ case: ident, type: "opened", result: "", text: "" }, "say")
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
    refused = phrases.badphoto
    showConnection(await queue.all())
  }
})
list.addEventListener("submit", async (event) => {
  event.preventDefault()
  const form = event.target
  const message = { case: form.closest(".case").dataset.id, type: "feedback", result: "in_progress", text: "" }
  if (form.matches(".feedback")) message.result = form.elements.result.value
  if (form.matches(".extension")) {
    message.type = "extend"
    message.result = ""
  }
  if (form.elements.text) message.text = form.elements.text.value
  form.hidden = true
  await withExtras(form, message)
  if (form.matches(".arrival") && !message.photo && !message.location) return
  await enqueue(message, "say")
})
document.getElementById("report").addEventListener("submit", async (event) => {
  event.preventDefault()
  const form = event.target,
    { category, place, text } = form.elements
  const report = { category: category.value, place: place.value, text: text.value }
  document.getElementById("reporting").open = false
  await withExtras(form, report)
  await enqueue(report, "report")
})

// The photo and the location of a form, if they are there, go with the message; the form is emptied.
async function withExtras(form, message) {
  const locates = form.elements.locate?.checked
  if (form.photo_ready) message.photo = form.photo_ready
  form.photo_ready = null
  form.reset()
  const chosen = form.querySelector(".chosen")
  if (chosen) chosen.hidden = true
  if (!locates) return
  const location = await locate()
  if (location) message.location = location
  else {
    refused = phrases.noplace
    showConnection(await queue.all())
  }
}

document.getElementById("logout").addEventListener("click", async () => {
  await deliver() // logging out empties the phone: queued replies must be sent first
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
  const since = document.body.dataset.rendered ?? new Date(0).toISOString() // what changed after it is told at once
  source = new EventSource(`/api/live?since=${encodeURIComponent(since)}`)
  source.addEventListener("hello", () => {
    online = true
    deliver()
  })
  source.addEventListener("moved", (event) => {
    if (event.data.includes("cases")) fetchCases()
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
addEventListener("offline", () => {
  online = false
  draw()
})
setInterval(() => {
  if (!document.hidden) deliver()
}, 15_000)
if ("serviceWorker" in navigator)
  cachePage("/leader", ["database.js", "phone.js", "session.js"]).then(
    () => {
      document.body.dataset.cached = ""
    },
    () => {},
  )
kept(`cases:${account}`).then((last) => {
  shown ??= last
  draw()
})
listen()
deliver()

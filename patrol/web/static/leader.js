// The grid leader's page: shows the cases, queues replies, sends them when there is a connection.
import { locate } from "./phone.js"
import { openPhonePage, phrases } from "./phone_page.js"

const list = document.getElementById("cases")
const STEPS = { acknowledge: ["dispatched", "rework"], arrive: ["dispatched", "rework", "acknowledged"] }
const AFTER = { acknowledge: "acknowledged", arrive: "arrived" }
const cards = new Map()

const page = openPhonePage({
  home: "/leader",
  state: "/leader/api/cases",
  name: "cases",
  concerns: /cases/,
  draw,
  send,
})

// ---- the list
function draw(shown, waiting) {
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
  document.getElementById("none").hidden = shown.cases.length > 0 || Boolean(shown.away_text)
  const away = document.getElementById("away")
  away.textContent = shown.away_text ?? ""
  away.hidden = !shown.away_text
  const ended = document.getElementById("ended")
  ended.replaceChildren(
    ...shown.ended.map((item) => {
      const p = document.createElement("p")
      p.textContent = `${item.what} · ${item.place} · ${item.state_words}`
      return p
    }),
  )
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
  put("left", item.left)
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
// Send one message, its photo first: true when it is over and done with, accepted or refused.
async function send({ key, address, photo, order: _order, account: _account, ...body }) {
  if (photo && address === "say") {
    const sent = await page.attempt(`/leader/api/photo/${body.case}/${key}`, jpeg(photo))
    if (sent.state === "later") return false
  }
  const headers = { "content-type": "application/json" }
  const message = JSON.stringify({ key, ...body })
  const { state, answer } = await page.attempt(`/leader/api/${address}`, { headers, body: message })
  if (state === "later") return false
  const said = await answer.json().catch(() => ({}))
  // the photo of a new problem goes to the case that it became
  if (answer.ok && photo && address === "report" && said.case) {
    const sent = await page.attempt(`/leader/api/photo/${said.case}/${key}`, jpeg(photo))
    if (sent.state === "later") return false
  }
  await page.refuse(answer.ok ? "" : (said.words ?? String(answer.status)))
  return true
}

const jpeg = (photo) => ({ headers: { "content-type": "image/jpeg" }, body: photo })

list.addEventListener("click", async (event) => {
  const button = event.target.closest("button")
  const card = event.target.closest(".case")
  if (!button || !card) return
  const ident = card.dataset.id
  if (button.dataset.reply) {
    button.disabled = true
    await page.enqueue({ case: ident, type: button.dataset.reply, result: "", text: "" }, "say")
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
    await page.enqueue({ case: ident, open: button.dataset.helpers === "open" }, "helpers")
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
    page.enqueue({ case: ident, type: "opened", result: "", text: "" }, "say")
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
  await page.enqueue(message, "say")
})
document.getElementById("report")?.addEventListener("submit", async (event) => {
  event.preventDefault()
  const form = event.target,
    { category, place, text } = form.elements
  const report = { category: category.value, place: place.value, text: text.value }
  document.getElementById("reporting").open = false
  await withExtras(form, report)
  await page.enqueue(report, "report")
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
  else await page.refuse(phrases.noplace)
}

page.start()

// The page of who walks patrols and of helpers: queues what is done, sends it when there is a link.
import { locate } from "./phone.js"
import { openPhonePage, phrases } from "./phone_page.js"
import { account } from "./session.js"

const said = document.getElementById("said")

const page = openPhonePage({
  home: "/ground",
  state: "/ground/api/state",
  name: "state",
  concerns: /cases|ground|queue/,
  waits: (message) => message.account === account,
  draw,
  send,
  complain: (text) => say(text, true),
})

// ---- the page
function draw(shown, waiting) {
  fillList("patrols", shown.patrols.map((item) => walk(item, waiting)), "nopatrol")
  if (!document.getElementById("cases")) return
  fillList("cases", shown.cases.map((item) => help(item, waiting)), "nocase")
  document.getElementById("reports").replaceChildren(...shown.reports.map(report))
}

function fillList(ident, items, empty) {
  document.getElementById(ident).replaceChildren(...items)
  document.getElementById(empty).hidden = items.length > 0
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

// Send one message, its photo first: true when it is over and done with, accepted or refused.
async function send(message) {
  const { address, order: _order, account: _account, ...body } = message
  if (body.photo instanceof Blob) {
    const headers = { "content-type": "image/jpeg" }
    const { state, answer } = await page.attempt("/ground/api/photo", { headers, body: body.photo })
    if (state === "later") return false
    const told = await answer.json().catch(() => ({}))
    body.photo = answer.ok ? told.photo : ""
    if (!answer.ok) await page.refuse(told.words ?? String(answer.status))
    // the name is kept: a report that is sent again sends no second photo
    await page.queue.add({ ...message, photo: body.photo })
  }
  const headers = { "content-type": "application/json" }
  const { state, answer } = await page.attempt(`/ground/api/${address}`, { headers, body: JSON.stringify(body) })
  if (state === "later") return false
  const told = await answer.json().catch(() => ({}))
  const refusal = answer.ok ? "" : `${told.words ?? answer.status} ${told.detail ?? ""}`
  await page.refuse(refusal)
  if (address === "check-in")
    say(answer.ok ? `${phrases.point} · ${told.words}` : refusal, !answer.ok || told.state !== "accepted")
  if (address === "report" && answer.ok) say(phrases.reported)
  return true
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
  await page.enqueue({ code, client_at, ...(place ? { location: place } : {}) }, "check-in")
}

document.getElementById("main").addEventListener("click", async (event) => {
  const button = event.target.closest("button")
  if (!button) return
  const card = button.closest(".case")
  if (button.dataset.step) {
    button.disabled = true
    await page.enqueue({ case: card.dataset.id, step: button.dataset.step }, "say")
  }
  if (button.dataset.here) {
    button.disabled = true
    const place = await locate()
    if (!place) {
      say(phrases.noplace, true)
      button.disabled = false
      return
    }
    await page.enqueue({ patrol: card.dataset.id, point: button.dataset.here, location: place }, "check-in")
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
  await page.enqueue(message, "report")
})
addEventListener("hashchange", readCode)
page.start().then(readCode) // a code that was read survives a login: it stays in the queue

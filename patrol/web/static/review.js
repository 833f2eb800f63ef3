// Review by keyboard. The batch: items claimed for us, the first on the screen, the rest loaded and
// decoded behind it, so that the next picture is there within a frame. A decision waits a few
// seconds here before it is sent, so that Z can take it back; urgent ones go at once. If the page
// dies in between, the claim runs out and the finding is back in the queue: nothing is lost.
import { send, toast, onMoved, listen } from "./console.js"

const UNDO_S = 5,
  RENEW_MS = 40_000,
  LOW = 2
const root = document.getElementById("review"),
  stage = document.getElementById("stage")
const reasons = document.getElementById("reasons")
const phrase = (name, facts = {}) =>
  Object.entries(facts).reduce(
    (text, [key, value]) => text.replaceAll(`{${key}}`, value),
    root.dataset[`text${name}`],
  )

let batch = [] // [{id, element, urgent, what, ready}]
const passed = new Set()
let pending = null // a decision that can still be taken back
let refilling = false,
  refillAgain = false,
  blinking = 0,
  first = root.dataset.first
const current = () => batch[0]

async function refill() {
  if (refilling) {
    refillAgain = true
    return
  }
  refilling = true
  try {
    const keep = batch.map((item) => item.id).concat(pending ? [pending.item.id] : [])
    const answer = await send("/api/review/hand", {
      keep,
      passed: [...passed],
      first,
      subject: root.dataset.subject,
    })
    first = ""
    document.getElementById("waiting").textContent = answer.waiting
    batch = batch.filter((item) => answer.mine.includes(item.id) || (item.element.remove(), false))
    for (const one of answer.new) {
      if (one.id === pending?.item.id || batch.some((item) => item.id === one.id)) continue
      batch.push(load(one))
    }
    show()
    state(batch.length ? "" : "empty")
  } catch (error) {
    document.getElementById("failure").textContent = error.message
    if (!batch.length) state("failed")
  } finally {
    refilling = false
    if (refillAgain) {
      refillAgain = false
      refill()
    }
  }
}

function load(one) {
  const holder = document.createElement("template")
  holder.innerHTML = one.html.trim()
  const element = holder.content.firstElementChild
  stage.append(element)
  const pictures = [...element.querySelectorAll("img")]
  return { ...one, element, ready: Promise.allSettled(pictures.map((picture) => picture.decode())) }
}

function state(which) {
  for (const id of ["empty", "loading", "failed"]) document.getElementById(id).hidden = id !== which
}

function show() {
  const item = current()
  for (const other of stage.children) if (other !== item?.element) other.hidden = true
  if (!item || !item.element.hidden) return
  const began = performance.now()
  item.element.hidden = false
  mode(item.element, item.element.dataset.mode)
  item.ready.then(() => performance.measure("next-picture", { start: began, end: performance.now() }))
}

function advance() {
  const item = batch.shift()
  item.element.hidden = true
  clearInterval(blinking)
  show()
  if (!batch.length) state("loading")
  refill()
  return item
}

// ---- decisions
function decide(decision, reason = "") {
  const item = current()
  if (!item) return
  flush()
  const field = (name) => item.element.querySelector(`[name=${name}]`).value
  const level = field("level")
  const body = {
    id: item.id,
    decision,
    reason,
    note: field("note"),
    ...(decision === "confirm"
      ? { category: field("category"), level, phoned: level === "I" ? field("phoned") : "" }
      : {}),
  }
  pending = { item, body, timer: 0, box: null }
  if (decision === "confirm" && (level === "I" || level === "II")) {
    flush()
    toast(phrase("Urgent"))
  } else {
    const name = { confirm: "Confirmed", dismiss: "Dismissed", unsure: "Unsure" }[decision]
    pending.box = toast(phrase(name, { what: item.what, s: UNDO_S }))
    pending.timer = setTimeout(flush, 1000 * UNDO_S)
  }
  advance()
}

async function flush(keepalive = false) {
  const sent = pending
  if (!sent) return
  pending = null
  clearTimeout(sent.timer)
  try {
    const outcome = await send("/api/review/decide", sent.body, { keepalive: keepalive === true })
    if (outcome.words) toast(outcome.words)
    if (outcome.case) toast(phrase(outcome.count > 1 ? "Merged" : "Sent", { case: outcome.case }), "good")
  } catch (error) {
    toast(`${sent.item.what}: ${error.message} ${error.reply?.detail ?? ""}`, "bad")
  } finally {
    sent.item.element.remove()
    refill()
  }
}

function undo() {
  if (!pending) {
    toast(phrase("Nothing"))
    return
  }
  const { item, timer, box } = pending
  clearTimeout(timer)
  box?.remove()
  pending = null
  batch.unshift(item)
  state("")
  show()
  toast(phrase("Undone"))
}

function next() {
  if (!current()) return
  const item = advance()
  passed.add(item.id)
  item.element.remove()
  send("/api/review/release", { ids: [item.id] }).then(refill, () => {})
}

function askReason() {
  if (!current()) return
  reasons.showModal()
  reasons.querySelector("button").focus()
}
reasons.addEventListener("click", (event) => {
  const button = event.target.closest("button")
  if (button) {
    reasons.close()
    decide("dismiss", button.value)
  }
})
reasons.addEventListener("keydown", (event) => {
  const button = /^[1-9]$/.test(event.key) && reasons.querySelectorAll("button")[Number(event.key) - 1]
  if (button) {
    event.preventDefault()
    event.stopPropagation()
    button.click()
  }
})

// ---- looking
function mode(element, chosen) {
  element.dataset.mode = chosen
  clearInterval(blinking)
  for (const button of element.querySelectorAll("button[data-mode]")) {
    button.setAttribute("aria-pressed", String(button.dataset.mode === chosen))
  }
  const now = element.querySelector(".now")
  now.style.clipPath = ""
  now.style.visibility = ""
  if (chosen === "slide") split(element)
  if (chosen === "blink") {
    blinking = setInterval(() => {
      now.style.visibility = now.style.visibility ? "" : "hidden"
    }, 700)
  }
}

function split(element) {
  const at = element.querySelector(".split").value
  element.querySelector(".now").style.clipPath = `inset(0 ${100 - at}% 0 0)`
}

function zoom(element, step) {
  const scale = Math.min(6, Math.max(1, Number(element.dataset.scale ?? 1) * (step > 0 ? 1.5 : 1 / 1.5)))
  element.dataset.scale = scale
  place(element)
}

function place(element) {
  const scale = Number(element.dataset.scale ?? 1)
  const reach = ((scale - 1) / scale) * 50
  const x = Math.max(-reach, Math.min(reach, Number(element.dataset.x ?? 0)))
  const y = Math.max(-reach, Math.min(reach, Number(element.dataset.y ?? 0)))
  element.dataset.x = x
  element.dataset.y = y
  for (const part of element.querySelectorAll("figure img, figure .marks")) {
    part.style.transform = scale === 1 ? "" : `scale(${scale}) translate(${x}%, ${y}%)`
  }
}

function pan(element, x, y) {
  element.dataset.x = Number(element.dataset.x ?? 0) + x
  element.dataset.y = Number(element.dataset.y ?? 0) + y
  place(element)
}

stage.addEventListener("input", (event) => {
  if (event.target.matches(".split")) split(event.target.closest(".item"))
})
stage.addEventListener("change", (event) => {
  if (event.target.matches("[name=level]"))
    event.target.closest(".item").querySelector(".phoning").hidden = event.target.value !== "I"
})
stage.addEventListener(
  "wheel",
  (event) => {
    const views = event.target.closest(".views")
    if (views) {
      event.preventDefault()
      zoom(views.closest(".item"), -event.deltaY)
    }
  },
  { passive: false },
)
let dragged = null
stage.addEventListener("pointerdown", (event) => {
  if (event.target.matches("figure img")) {
    dragged = event
    event.preventDefault()
  }
})
addEventListener("pointermove", (event) => {
  if (!dragged || !current()) return
  const wide = dragged.target.clientWidth
  pan(
    current().element,
    ((event.clientX - dragged.clientX) / wide) * 100,
    ((event.clientY - dragged.clientY) / wide) * 100,
  )
  dragged = { target: dragged.target, clientX: event.clientX, clientY: event.clientY }
})
addEventListener("pointerup", () => {
  dragged = null
})

// ---- keys and buttons
const DO = {
  confirm: () => decide("confirm"),
  dismiss: askReason,
  unsure: () => decide("unsure"),
  next,
  undo,
}
const KEYS = {
  Enter: DO.confirm,
  d: DO.dismiss,
  u: DO.unsure,
  n: DO.next,
  z: DO.undo,
  b: () => toggle("blink"),
  s: () => toggle("slide"),
  "+": () => zoom(current().element, 1),
  "=": () => zoom(current().element, 1),
  "-": () => zoom(current().element, -1),
  ArrowLeft: () => pan(current().element, 6, 0),
  ArrowRight: () => pan(current().element, -6, 0),
  ArrowUp: () => pan(current().element, 0, 6),
  ArrowDown: () => pan(current().element, 0, -6),
}
function toggle(chosen) {
  const { element } = current()
  mode(element, element.dataset.mode === chosen ? "side" : chosen)
}
stage.addEventListener("click", (event) => {
  const button = event.target.closest("button")
  if (!button || !current()) return
  if (button.dataset.do) DO[button.dataset.do]()
  if (button.dataset.mode) mode(current().element, button.dataset.mode)
  if (button.dataset.zoom) zoom(current().element, Number(button.dataset.zoom))
})
document.addEventListener("keydown", (event) => {
  if (
    event.ctrlKey ||
    event.altKey ||
    event.metaKey ||
    (event.repeat && event.key === "Enter") ||
    reasons.open
  )
    return
  const field = event.target.closest("input:not([type=range]), select, textarea")
  if (field && !(event.key === "Enter" && field.matches("input"))) return
  if (event.target.closest("button, a") && event.key === "Enter") return
  const act = KEYS[event.key] ?? KEYS[event.key.toLowerCase()]
  if (!act || (!current() && act !== DO.undo)) return
  event.preventDefault()
  act()
})

// ---- the queue moves, time passes, the page goes
onMoved(["queue"], () => {
  if (batch.length < LOW) refill()
  else count()
})
const count = async () => {
  if (!document.hidden) refill()
}
setInterval(() => {
  if (!document.hidden && (batch.length || pending)) refill()
}, RENEW_MS)
document.getElementById("retry").addEventListener("click", () => {
  state("loading")
  refill()
})
addEventListener("pagehide", () => {
  flush(true)
  if (batch.length)
    send("/api/review/release", { ids: batch.map((item) => item.id) }, { keepalive: true }).catch(() => {})
})
listen()
refill()

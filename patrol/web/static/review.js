// Review by keyboard. The batch: items claimed for us, the first on the screen, the rest loaded and
// decoded behind it, so that the next picture is there within a frame. A decision belongs to the
// item that was on the screen, with its pictures, for SHOWN_MS; it is kept with its key until the
// server has answered (kept.js) and waits a few seconds before it is sent, so that Z can take it
// back; urgent ones go at once.
import { send, toast, onMoved, listen } from "./console.js"
import { dismissChosen, drawStrip, stripFilter, watchStrip } from "./strip.js"
import { deliver, keepPost, keptPosts, onAttempt, release, sentence, takeBack } from "./kept.js"

const UNDO_S = 5,
  SHOWN_MS = 400,
  RENEW_MS = 40_000,
  LOW = 2,
  MOST_KEPT = 10, // ids that a page may claim at once
  DECIDE = "/api/review/decide"
const root = document.getElementById("review"),
  stage = document.getElementById("stage")
const reasons = document.getElementById("reasons")
const phrase = (name, facts = {}) =>
  Object.entries(facts).reduce(
    (text, [key, value]) => text.replaceAll(`{${key}}`, value),
    root.dataset[`text${name}`],
  )

let batch = [] // [{id, element, urgent, what, seen, ready, decidableAt}]
const passed = new Set(),
  decided = new Map() // key → item, of decisions of this page that are not answered yet
let pending = null // {key, item, box} of a decision that was not sent yet
const undoable = [] // ids of what was decided and sent, the newest last: Z asks the server for them
const MOST_UNDOABLE = 20
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
    const unanswered = (await keptPosts())
      .filter((entry) => entry.address === DECIDE && entry.state === "waiting")
      .map((entry) => entry.body.id)
    const keep = [...new Set([...batch.map((item) => item.id), ...unanswered])].slice(0, MOST_KEPT)
    const answer = await send("/api/review/hand", {
      keep,
      passed: [...passed, ...unanswered],
      first,
      subject: root.dataset.subject,
      ...stripFilter(),
    })
    first = ""
    document.getElementById("waiting").textContent = answer.waiting
    batch = batch.filter((item) => answer.mine.includes(item.id) || (item.element.remove(), false))
    for (const one of answer.new) {
      if (unanswered.includes(one.id) || isDecided(one.id) || batch.some((item) => item.id === one.id)) continue
      batch.push(load(one))
    }
    show()
    state(batch.length ? "" : "empty")
    drawStrip(current()?.id)
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

const isDecided = (ident) => [...decided.values()].some((item) => item.id === ident)

function load(one) {
  const holder = document.createElement("template")
  holder.innerHTML = one.html.trim()
  const element = holder.content.firstElementChild
  stage.append(element)
  const pictures = [...element.querySelectorAll("img")]
  return { ...one, element, decidableAt: Infinity, ready: Promise.allSettled(pictures.map((picture) => picture.decode())) }
}

function state(which) {
  for (const id of ["empty", "loading", "failed"]) document.getElementById(id).hidden = id !== which
}

function show() {
  const item = current()
  for (const other of stage.children) if (other !== item?.element) other.hidden = true
  if (reasons.open && reasons.dataset.of !== item?.id) reasons.close() // it was about another item
  if (item) drawStrip(item.id, false)
  if (!item || !item.element.hidden) return
  const began = performance.now()
  item.element.hidden = false
  mode(item.element, item.element.dataset.mode)
  look(item)
  item.ready.then(() => performance.measure("next-picture", { start: began, end: performance.now() }))
}

// From when on the item may be decided: SHOWN_MS after it and its pictures are really on the screen.
function look(item) {
  item.decidableAt = Infinity
  delete item.element.dataset.decidable
  item.ready.then(() => {
    if (current() !== item || document.hidden || item.decidableAt < Infinity) return
    item.decidableAt = performance.now() + SHOWN_MS
    setTimeout(() => {
      if (isDecidable(item)) item.element.dataset.decidable = ""
    }, SHOWN_MS + 1)
  })
}
const isDecidable = (item) => current() === item && !document.hidden && performance.now() >= item.decidableAt
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && current()) look(current())
})

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
let warned = -Infinity
function isTooSoon(item) {
  if (isDecidable(item)) return false
  if (performance.now() - warned > 1000) toast(phrase(item.decidableAt < Infinity ? "Soon" : "Loading"))
  warned = performance.now()
  return true
}

async function decide(decision, reason = "", words = "") {
  const item = current()
  if (!item || isTooSoon(item)) return
  const field = (name) => item.element.querySelector(`[name=${name}]`).value
  if (decision === "confirm" && isUnnamed(item, field)) return
  const level = field("level")
  const urgent = decision === "confirm" && (level === "I" || level === "II")
  const name = { confirm: "Confirmed", dismiss: "Dismissed", unsure: "Unsure" }[decision]
  const body = {
    id: item.id,
    decision,
    reason,
    note: words || field("note"),
    seen: item.seen,
    ...(decision === "confirm"
      ? { category: field("category"), level, phoned: level === "I" ? field("phoned") : "" }
      : {}),
  }
  flush()
  const box = toast(urgent ? phrase("Urgent") : phrase(name, { what: item.what, s: UNDO_S }))
  const mine = { key: null, item, box }
  pending = urgent ? null : mine
  const keeping = keepPost({
    address: DECIDE,
    body,
    what: `${phrase(`${name}Short`)} ${item.what}`,
    after_ms: urgent ? 0 : 1000 * UNDO_S,
  })
  mine.keeping = keeping.then((key) => {
    mine.key = key
    decided.set(key, item)
    return key
  })
  decided.set(mine, item) // until it has its key
  advance()
  await mine.keeping
  decided.delete(mine)
  if (urgent) deliver()
}

// A change that nobody has named is not sent: the leader would not know what to look at.
function isUnnamed(item, field) {
  if (!("unnamed" in item.element.dataset) || field("note").trim()) return false
  const select = item.element.querySelector("[name=category]")
  if (select.value !== select.dataset.given) return false
  toast(phrase("Unnamed"), "bad")
  select.focus()
  return true
}

async function flush() {
  const waits = pending
  pending = null
  if (waits) release(await waits.keeping)
}

onAttempt(({ entry, state, reply }) => {
  if (entry.address !== DECIDE) return
  if (pending?.key === entry.key) pending = null
  if (state === "later") return
  if (state === "done") remember(entry.body.id)
  if (state === "refused") toast(`${entry.what}: ${sentence(reply)}`, "bad")
  if (state === "done" && reply.words) toast(reply.words)
  if (state === "done" && reply.warning) toast(reply.warning, "bad")
  if (state === "done" && reply.case) {
    toast(phrase(reply.count > 1 ? "Merged" : "Sent", { case: reply.case }), "good")
  }
  decided.get(entry.key)?.element.remove()
  decided.delete(entry.key)
  refill()
})

function remember(ident) {
  undoable.push(ident)
  if (undoable.length > MOST_UNDOABLE) undoable.shift()
}

// The newest decision back: one that was not sent yet is dropped here, an older one is undone by the
// server, which knows whether its case was sent (then it says so, and the one before it is next).
async function undo() {
  const waits = pending
  pending = null
  if (!waits || !(await takeBack(await waits.keeping))) return undoSent()
  waits.box.remove()
  decided.delete(waits.key)
  batch.unshift(waits.item)
  state("")
  show()
  waits.item.decidableAt = performance.now() // called back on purpose, and seen before
  waits.item.element.dataset.decidable = ""
  toast(phrase("Undone"))
}

async function undoSent() {
  const ident = undoable.pop()
  if (!ident) {
    toast(phrase("Nothing"))
    return
  }
  try {
    await send(`/api/findings/${ident}/undo`, { note: "" })
    passed.delete(ident)
    first = ident
    toast(`${phrase("Undone")} ${ident}`)
    await comeForward(ident)
  } catch (error) {
    toast(`${ident} ${error.message}`, "bad")
  }
}

// Bring a finding onto the stage: what stands there waits behind it, or goes back to the queue.
async function comeForward(ident) {
  const here = batch.findIndex((item) => item.id === ident)
  if (here > 0) batch.unshift(...batch.splice(here, 1))
  else if (here < 0) {
    const last = batch.length >= 3 ? batch.pop() : null
    if (last) {
      last.element.remove()
      await send("/api/review/release", { ids: [last.id] }).catch(() => {})
    }
    first = ident
    await refill()
    const came = batch.findIndex((item) => item.id === ident)
    if (came > 0) batch.unshift(...batch.splice(came, 1))
  }
  state(batch.length ? "" : "empty")
  show()
}

function next() {
  if (!current()) return
  const item = advance()
  passed.add(item.id)
  item.element.remove()
  send("/api/review/release", { ids: [item.id] }).then(refill, () => {})
}

const words = document.getElementById("reason-words"),
  wordsInput = words.querySelector("input")
let onReason = () => {} // what to do with the chosen reason and its words

// `teaches`: by reason what its dismissal teaches, and for how long.
function openReasons(teaches, act) {
  onReason = act
  words.hidden = true
  wordsInput.value = ""
  for (const button of reasons.querySelectorAll("button")) {
    button.querySelector("small").textContent = teaches[button.value] ?? ""
  }
  reasons.showModal()
  reasons.querySelector("button").focus()
}
function askReason() {
  const item = current()
  if (!item || isTooSoon(item)) return
  reasons.dataset.of = item.id
  openReasons(JSON.parse(item.element.dataset.teaches), (reason, said) => {
    if (current()?.id === reasons.dataset.of) decide("dismiss", reason, said)
  })
}
reasons.addEventListener("click", (event) => {
  const button = event.target.closest("button")
  if (!button) return
  if (button.value === "other") {
    words.hidden = false
    wordsInput.focus()
    return
  }
  reasons.close()
  onReason(button.value, "")
})
wordsInput.addEventListener("keydown", (event) => {
  event.stopPropagation()
  if (event.key !== "Enter") return
  event.preventDefault()
  const said = wordsInput.value.trim()
  if (!said) {
    toast(phrase("Words"), "bad")
    return
  }
  reasons.close()
  onReason("other", said)
})
watchStrip({
  choose: (ident) => comeForward(ident),
  filtered: async () => {
    const mine = batch.splice(0)
    for (const item of mine) item.element.remove()
    await send("/api/review/release", { ids: mine.map((item) => item.id) }).catch(() => {})
    state("loading")
    await refill()
  },
  dismiss: (items) => {
    reasons.dataset.of = ""
    openReasons({}, (reason, note) => dismissBatch(items, reason, note))
  },
})

async function dismissBatch(items, reason, note) {
  try {
    const answer = await send("/api/review/dismiss", { items, reason, note })
    for (const ident of answer.done) {
      remember(ident)
      const here = batch.findIndex((item) => item.id === ident)
      if (here >= 0) batch.splice(here, 1)[0].element.remove()
    }
    if (answer.done.length) toast(phrase("Batch", { n: answer.done.length }))
    for (const one of answer.refused) toast(phrase("Refused", { id: one.id, why: one.words }), "bad")
  } catch (error) {
    toast(error.message, "bad")
  }
  show()
  refill()
}
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
  const at = element.querySelector(".split").value,
    now = element.querySelector(".now")
  now.style.clipPath = `inset(0 ${100 - at}% 0 0)`
  const line = element.querySelector(".divider")
  line.style.left = `${now.offsetLeft + (now.offsetWidth * at) / 100}px`
  line.style.top = `${now.offsetTop}px`
  line.style.height = `${now.offsetHeight}px`
}

// Closer by a step, about a point of the picture (0..1 of its sides) that stays where it is on the
// screen: the pointer's; by key the middle of the box, which comes to the middle.
function zoom(element, step, point = null) {
  const before = Number(element.dataset.scale ?? 1)
  const scale = Math.min(8, Math.max(1, before * (step > 0 ? 1.5 : 1 / 1.5)))
  element.dataset.scale = scale
  if (point) {
    for (const [axis, at] of [
      ["x", point[0]],
      ["y", point[1]],
    ]) {
      const shift = Number(element.dataset[axis] ?? 0)
      element.dataset[axis] = shift + (at - 0.5) * 100 * (1 / scale - 1 / before)
    }
  } else if (element.dataset.centre && step > 0) {
    const [x, y] = element.dataset.centre.split(" ").map(Number)
    element.dataset.x = (0.5 - x) * 100
    element.dataset.y = (0.5 - y) * 100
  }
  place(element)
}

// The point of a picture under the pointer, 0..1 of the picture's frame on the screen.
function pointed(event) {
  const frame = event.target.closest("figure")?.getBoundingClientRect()
  if (!frame) return null
  return [(event.clientX - frame.left) / frame.width, (event.clientY - frame.top) / frame.height]
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
      zoom(views.closest(".item"), -event.deltaY, pointed(event))
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
  x: dismissChosen,
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
    reasons.open
  )
    return
  const ticking = event.target.matches("[type=checkbox]") // of the strip: keys are for what is chosen
  const field = event.target.closest("input:not([type=range]), select, textarea")
  if (field && !ticking && !(event.key === "Enter" && field.matches("input"))) return
  if (event.target.closest("button, a") && event.key === "Enter") return
  const act = KEYS[event.key] ?? KEYS[event.key.toLowerCase()]
  if (ticking && act !== dismissChosen && act !== DO.undo) return
  if (!act || (!current() && act !== DO.undo && act !== dismissChosen)) return
  event.preventDefault()
  if (event.repeat && Object.values(DO).includes(act)) return // a key held down decides nothing more
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
  if (!document.hidden && (batch.length || decided.size)) refill()
}, RENEW_MS)
document.getElementById("retry").addEventListener("click", () => {
  state("loading")
  refill()
})
addEventListener("pagehide", () => {
  if (batch.length)
    send("/api/review/release", { ids: batch.map((item) => item.id) }, { keepalive: true }).catch(() => {})
})
listen()
refill()

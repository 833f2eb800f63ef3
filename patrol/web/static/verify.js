// Verifications as a queue: one case after the other, before and after large, with the machine's word.
// G closes it, S and a reason send it back, the arrows go on. Enter is the button that stands out, and
// that is never "gone" while the machine still sees it: then G has to be pressed twice. What was
// decided is kept until it stands (kept.js).
import { onMoved, listen, send, toast } from "./console.js"
import { sentence, submit } from "./kept.js"

const root = document.getElementById("verify"),
  reason = document.getElementById("verify-reason"),
  input = reason.querySelector("input")
let queue = [],
  position = 0,
  busy = false,
  opinion = "nothing", // of the machine: gone, still_there, nothing
  insisted = "" // the case that G was pressed for, against the machine's word
const current = () => queue[position]

async function load() {
  const before = current()?.id
  const answer = await send("/api/verify/queue", undefined, { method: "GET" })
  queue = answer.cases
  position = Math.max(0, queue.findIndex((one) => one.id === before))
  await draw()
}

async function draw() {
  reason.hidden = true
  input.value = ""
  const one = current()
  document.getElementById("verify-count").textContent = queue.length ? `${position + 1}/${queue.length}` : "0"
  document.getElementById("verify-what").textContent = one
    ? `${one.level} ${one.what} · ${one.grid} ${one.place}`
    : root.dataset.textNone
  const shown = one ? await send(`/api/verify/${one.id}`, undefined, { method: "GET" }) : {}
  if (one !== current()) return
  opinion = shown.opinion ?? "nothing"
  insisted = ""
  const machine = document.getElementById("verify-machine")
  machine.textContent = one ? `${root.dataset.textMachine} · ${shown.machine ?? ""}` : ""
  machine.className = opinion === "still_there" ? "warn" : ""
  const strong = one ? (opinion === "still_there" ? "still" : "gone") : ""
  for (const button of root.querySelectorAll("button[data-act]")) {
    button.classList.toggle("strong", button.dataset.act === strong)
    button.disabled = !one
  }
  show("verify-before", shown.before)
  show("verify-after", shown.after ?? (shown.photos?.[0] ? { url: shown.photos[0], taken: "" } : null))
  const note = shown.note === shown.machine ? "" : shown.note // said above
  document.getElementById("verify-note").textContent = note ?? ""
  const link = document.getElementById("verify-link")
  link.replaceChildren()
  if (one) {
    const anchor = document.createElement("a")
    anchor.href = `/cases/${one.id}`
    anchor.textContent = one.id
    link.append(anchor)
  }
  root.dataset.case = one?.id ?? ""
}

function show(where, picture) {
  const box = document.getElementById(where)
  box.replaceChildren()
  box.parentElement.querySelector("time").textContent = picture?.taken ?? ""
  if (!picture) {
    box.textContent = root.dataset.textNopicture
    return
  }
  const image = new Image()
  image.src = picture.url
  image.alt = picture.taken
  image.dataset.missing = root.dataset.textNopicture
  box.append(image)
}

async function decide(move, note) {
  const one = current()
  if (!one || busy) return
  busy = true
  try {
    const what = `${one.id} ${move === "gone" ? root.dataset.textGone : root.dataset.textStill}`
    const { state, reply } = await submit(`/api/cases/${one.id}/move`, { move, note, seen: one.seen }, what)
    if (state === "refused") toast(sentence(reply), "bad")
    else {
      toast(what, "good")
      queue.splice(position, 1)
      if (position >= queue.length) position = 0
      await draw()
    }
  } finally {
    busy = false
  }
}

function gone() {
  if (opinion === "still_there" && insisted !== current()?.id) {
    insisted = current()?.id
    toast(root.dataset.textInsist, "bad")
    return
  }
  decide("gone", "")
}

function still() {
  reason.hidden = false
  input.focus()
}

const ACTS = {
  gone,
  still,
  enter: () => (opinion === "still_there" ? still() : gone()),
  next: () => {
    if (queue.length) position = (position + 1) % queue.length
    draw()
  },
  back: () => {
    if (queue.length) position = (position - 1 + queue.length) % queue.length
    draw()
  },
}
const KEYS = { Enter: "enter", g: "gone", s: "still", ArrowRight: "next", ArrowLeft: "back" }
root.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-act]")
  if (button) ACTS[button.dataset.act]()
})
input.addEventListener("keydown", (event) => {
  event.stopPropagation()
  if (event.key === "Escape") reason.hidden = true
  if (event.key !== "Enter") return
  event.preventDefault()
  if (input.value.trim()) decide("still_there", input.value.trim())
  else toast(root.dataset.textReason, "bad")
})
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return
  if (event.target.closest("input, select, textarea, dialog, button, a")) return
  const act = KEYS[event.key] ?? KEYS[event.key.toLowerCase()]
  if (!act) return
  event.preventDefault()
  ACTS[act]()
})
onMoved(["cases"], () => {
  if (!current()) load()
})
listen()
load().catch((error) => toast(error.message, "bad"))

// The strip of what waits: thumbnails in the queue's order, filters, and a choice of several that are
// dismissed together. It claims nothing; a click brings a finding onto the stage (review.js).
import { send } from "./console.js"

const strip = document.getElementById("strip"),
  filters = document.getElementById("strip-filters"),
  lines = document.getElementById("strip-lines"),
  button = document.getElementById("strip-dismiss"),
  chosenText = document.getElementById("strip-chosen"),
  root = document.getElementById("review")
const chosen = new Map() // id → {id, seen}, as the strip showed it
let act = { choose() {}, filtered() {}, dismiss() {} },
  shown = "",
  asking = false,
  askAgain = false,
  lastMarked = null

export const stripFilter = () => {
  const fields = new FormData(filters)
  return { level: fields.get("level") || null, village: fields.get("village"), kind: fields.get("kind") }
}

export function watchStrip(actions) {
  act = actions
}

// Show which one is on the stage; `renew`: ask anew what waits.
export async function drawStrip(current, renew = true) {
  shown = current ?? ""
  mark()
  if (!renew) return
  if (asking) {
    askAgain = true
    return
  }
  asking = true
  try {
    const wanted = new URLSearchParams(
      Object.entries({ ...stripFilter(), subject: root.dataset.subject }).filter(([, value]) => value),
    )
    const answer = await send(`/api/review/strip?${wanted}`, undefined, { method: "GET" })
    for (const [name, choices] of Object.entries(answer.choices)) fill(filters.elements[name], choices)
    const present = new Set(answer.lines.map((line) => line.id))
    for (const ident of chosen.keys()) if (!present.has(ident)) chosen.delete(ident)
    lines.replaceChildren(...answer.lines.map(thumbnail))
    mark()
  } catch {
    // the stage says what is wrong; the strip keeps what it shows
  } finally {
    asking = false
    if (askAgain) {
      askAgain = false
      drawStrip(shown)
    }
  }
}

function fill(select, choices) {
  const kept = select.value
  const options = choices.map(([value, label]) => new Option(label, value))
  if (kept && !choices.some(([value]) => value === kept)) options.push(new Option(kept, kept))
  select.replaceChildren(select.options[0], ...options)
  select.value = kept
}

function thumbnail(line) {
  const item = document.createElement("li")
  item.dataset.id = line.id
  const tick = Object.assign(document.createElement("input"), { type: "checkbox", checked: chosen.has(line.id) })
  tick.setAttribute("aria-label", `${line.id} ${line.what}`)
  tick.disabled = Boolean(line.judged_by)
  const open = Object.assign(document.createElement("button"), { type: "button", title: `${line.where} ${line.judged_by}` })
  if (line.thumbnail) {
    const image = Object.assign(new Image(), { src: line.thumbnail, alt: "", loading: "lazy" })
    open.append(image)
  }
  const label = document.createElement("span")
  label.textContent = `${line.level} ${line.what}`
  open.append(label)
  if (line.judged_by) item.classList.add("judged")
  item.append(tick, open)
  item.line = line
  return item
}

function mark() {
  for (const item of lines.children) item.classList.toggle("current", item.dataset.id === shown)
  lines.querySelector(".current")?.scrollIntoView({ block: "nearest", inline: "nearest" })
  button.disabled = chosen.size === 0
  chosenText.textContent = chosen.size ? root.dataset.textChosen.replace("{n}", chosen.size) : ""
}

function tick(item, on) {
  if (item.line.judged_by) return
  item.querySelector("input").checked = on
  if (on) chosen.set(item.line.id, { id: item.line.id, seen: item.line.seen })
  else chosen.delete(item.line.id)
}

lines.addEventListener("click", (event) => {
  const item = event.target.closest("li")
  if (!item) return
  if (event.target.matches("input")) {
    const all = [...lines.children]
    const from = event.shiftKey && lastMarked ? all.findIndex((one) => one.dataset.id === lastMarked) : -1
    const to = all.indexOf(item)
    const range = from < 0 ? [item] : all.slice(Math.min(from, to), Math.max(from, to) + 1)
    for (const one of range) tick(one, event.target.checked)
    lastMarked = item.dataset.id
    mark()
  } else if (event.target.closest("button")) act.choose(item.dataset.id)
})
filters.addEventListener("change", () => {
  chosen.clear()
  act.filtered()
})
filters.addEventListener("submit", (event) => event.preventDefault())
export function dismissChosen() {
  if (!chosen.size) return
  const items = [...chosen.values()]
  chosen.clear()
  mark()
  act.dismiss(items)
}
button.addEventListener("click", dismissChosen)
strip.hidden = false

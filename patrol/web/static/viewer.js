// The viewer of human patrols and of the rotation of a wall: the cameras of a checkpoint 1, 4, 9 or
// 16 at a time, each with its newest picture, its reference (R) or live (L). It moves on by the pace;
// P pauses it. On a patrol Enter says that what is shown was seen, V that the chosen camera cannot be
// viewed; F files what is seen on the chosen camera. What was said is kept until it stands.
import { send, toast } from "./console.js"
import { onAttempt, sentence, submit } from "./kept.js"
import { Parts, decoder } from "./multipart.js"

const root = document.getElementById("viewer"),
  head = document.querySelector("[data-patrol]")
const patrol = head?.dataset.patrol

// ---- moves of the task and its checklist
document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-move]")
  if (!button || !patrol) return
  button.disabled = true
  const remark = document.getElementById("remark")?.value ?? ""
  const address = `/api/patrols/${patrol}/${button.dataset.move}`
  const { state, reply } = await submit(address, { remark }, button.textContent.trim())
  if (state === "refused") {
    toast(sentence(reply), "bad")
    button.disabled = false
  } else location.reload()
})
document.addEventListener("change", async (event) => {
  const box = event.target.closest("input[data-item]")
  if (!box) return
  const body = { item: Number(box.dataset.item), checked: box.checked }
  const { state, reply } = await submit(`/api/patrols/${patrol}/item`, body, box.parentElement.textContent.trim())
  if (state === "refused") {
    box.checked = !box.checked
    toast(sentence(reply), "bad")
  }
})

// ---- the screens: cells of one checkpoint, `size` at a time
let screens = [], // [{title, cells}]
  position = 0,
  chosen = 0,
  paused = false,
  shownAt = 0,
  live = null
const grid = document.getElementById("cells")
const isDone = (cell) => cell.outcome && cell.outcome !== "pending"
const current = () => screens[position]

async function load() {
  const answer = await send(root.dataset.cells, undefined, { method: "GET" })
  const stops = answer.stops.length ? answer.stops : [{ title: "", size: Number(root.dataset.size) }]
  screens = stops.flatMap((stop, number) => {
    const cells = answer.cells.filter((cell) => cell.stop === number)
    const shown = root.dataset.kind === "patrol" ? cells.filter((cell) => cell.outcome !== "seen_before") : cells
    const pages = []
    for (let from = 0; from < shown.length; from += stop.size) {
      pages.push({ title: stop.title, size: stop.size, cells: shown.slice(from, from + stop.size) })
    }
    return pages
  })
  position = Math.max(0, screens.findIndex((screen) => screen.cells.some((cell) => !isDone(cell))))
  draw()
}

function draw() {
  stopLive()
  const screen = current()
  if (!screen) {
    grid.textContent = root.dataset.textNothing
    return
  }
  const side = Math.sqrt(screen.size)
  grid.dataset.side = String(side)
  grid.replaceChildren(...screen.cells.map(cellElement))
  choose(Math.min(chosen, screen.cells.length - 1))
  shownAt = performance.now()
  progress()
}

function cellElement(cell, number) {
  const box = document.createElement("figure")
  box.className = `cell ${cell.outcome}`
  box.dataset.number = number
  box.dataset.fileSource = root.dataset.kind
  box.dataset.fileCamera = cell.camera
  if (root.dataset.kind === "rotation") box.dataset.fileRound = root.dataset.about
  else box.dataset.filePatrol = root.dataset.about
  if (cell.picture) {
    const image = new Image()
    image.src = cell.url
    image.alt = cell.name
    image.dataset.now = cell.url
    box.dataset.filePicture = cell.picture
    box.dataset.fileUrl = cell.url
    box.append(image)
  } else {
    const none = document.createElement("p")
    none.className = "empty"
    none.textContent = root.dataset.textNopicture
    box.append(none)
  }
  const caption = document.createElement("figcaption")
  caption.textContent = `${number + 1} ${cell.name} · ${cell.taken}`
  box.append(caption)
  return box
}

function progress() {
  const all = screens.flatMap((screen) => screen.cells)
  document.getElementById("stop-title").textContent = current()?.title ?? ""
  const left = all.filter((cell) => !isDone(cell)).length
  document.getElementById("progress").textContent =
    root.dataset.kind === "patrol"
      ? `${position + 1}/${screens.length} · ${all.length - left}/${all.length}`
      : `${position + 1}/${screens.length}`
}

function choose(number) {
  chosen = number
  for (const box of grid.children) box.classList.toggle("chosen", Number(box.dataset.number) === number)
  grid.children[number]?.setAttribute("tabindex", "-1")
  if (!document.querySelector("dialog[open]")) grid.children[number]?.focus({ preventScroll: true })
}

const chosenCell = () => current()?.cells[chosen]
function go(step) {
  if (!screens.length) return
  position = (position + step + screens.length) % screens.length
  draw()
}

// ---- what is said
async function say(cell, outcome) {
  const body = { camera: cell.camera, outcome, picture: cell.picture }
  cell.outcome = outcome
  const { state, reply } = await submit(`/api/patrols/${patrol}/check`, body, cell.name)
  if (state === "refused") {
    toast(sentence(reply), "bad")
    cell.outcome = "pending"
  }
}

async function acknowledge() {
  if (root.dataset.kind !== "patrol") return
  const screen = current()
  const open = screen.cells.filter((cell) => !isDone(cell) && cell.picture)
  await Promise.all(open.map((cell) => say(cell, "acknowledged")))
  after(screen)
}

async function unviewable() {
  const cell = chosenCell()
  if (root.dataset.kind !== "patrol" || !cell || isDone(cell)) return
  const screen = current()
  await say(cell, "not_viewable")
  after(screen)
}

function after(screen) {
  if (screen !== current()) return progress()
  const next = screens.findIndex((one, number) => number > position && one.cells.some((cell) => !isDone(cell)))
  const any = next >= 0 ? next : screens.findIndex((one) => one.cells.some((cell) => !isDone(cell)))
  if (screen.cells.some((cell) => !isDone(cell))) draw()
  else if (any >= 0) {
    position = any
    draw()
  } else {
    draw()
    toast(root.dataset.textDone, "good")
  }
}

// A finding of the chosen camera was filed: its check says so already.
onAttempt(({ entry, state }) => {
  if (state !== "done" || entry.address !== "/api/findings/own" || !root) return
  const cell = screens.flatMap((screen) => screen.cells).find((one) => one.camera === entry.body.camera)
  if (cell && root.dataset.kind === "patrol") {
    cell.outcome = "finding"
    draw()
  }
})

// ---- looking: the reference, and live
function compare() {
  for (const image of grid.querySelectorAll("img[data-now]")) {
    const cell = current().cells[Number(image.parentElement.dataset.number)]
    const showing = image.dataset.showing === "reference"
    image.dataset.showing = showing ? "" : "reference"
    image.src = showing ? cell.url : cell.reference
  }
}

async function lookLive() {
  if (live) return stopLive()
  const cell = chosenCell(),
    box = grid.children[chosen]
  if (!cell || !root.dataset.live) return
  live = new AbortController()
  setPaused(true)
  try {
    const answer = await fetch(`/api/cameras/${cell.camera}/live`, {
      method: "POST",
      signal: live.signal,
      headers: {
        "content-type": "application/json",
        accept: "application/json",
        "x-patrol-csrf": document.querySelector('meta[name="csrf"]').content,
      },
      body: JSON.stringify({ for: root.dataset.live, reason: root.dataset.textReason }),
    })
    if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).words ?? answer.statusText)
    await follow(answer.body.getReader(), box)
  } catch (error) {
    if (error.name !== "AbortError") toast(error.message, "bad")
  }
  live = null
}

async function follow(reader, box) {
  const parts = new Parts()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    for (const part of parts.feed(value)) {
      if (/content-type: application\/json/i.test(part.head)) {
        toast(JSON.parse(decoder.decode(part.body)).words)
        return
      }
      const image = box.querySelector("img") ?? box.insertAdjacentElement("afterbegin", new Image())
      box.querySelector(".empty")?.remove()
      if (image.src.startsWith("blob:")) URL.revokeObjectURL(image.src)
      image.src = URL.createObjectURL(new Blob([part.body], { type: "image/jpeg" }))
      image.dataset.frame = /x-frame: (\S+)/i.exec(part.head)?.[1] ?? ""
    }
  }
}

function stopLive() {
  live?.abort()
  live = null
}

// ---- pace
function setPaused(wanted) {
  paused = wanted
  root.querySelector("[data-act=pause]").setAttribute("aria-pressed", String(paused))
  shownAt = performance.now()
}

function tick() {
  const bar = document.getElementById("pace")
  if (paused || document.hidden || document.querySelector("dialog[open]") || screens.length < 2) {
    shownAt = performance.now()
    bar.value = 0
    return
  }
  const passed = (performance.now() - shownAt) / 1000 / Number(root.dataset.pace)
  bar.value = Math.min(1, passed)
  if (passed >= 1) go(1)
}

const ACTS = {
  back: () => go(-1),
  next: () => go(1),
  pause: () => setPaused(!paused),
  compare,
  live: lookLive,
  unviewable,
  acknowledge,
}
const KEYS = {
  ArrowLeft: "back", ArrowRight: "next", p: "pause", " ": "pause", r: "compare", l: "live",
  v: "unviewable", Enter: "acknowledge",
}

if (root) {
  root.addEventListener("click", (event) => {
    const box = event.target.closest(".cell")
    if (box) choose(Number(box.dataset.number))
    const button = event.target.closest("button[data-act]")
    if (button) ACTS[button.dataset.act]()
  })
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, dialog, button, a")) return
    const act = KEYS[event.key] ?? KEYS[event.key.toLowerCase()]
    const number = /^[1-9]$/.test(event.key) && Number(event.key) - 1
    if (act) ACTS[act]()
    else if (number !== false && number < (current()?.cells.length ?? 0)) choose(number)
    else return
    event.preventDefault()
  })
  addEventListener("pagehide", stopLive)
  setInterval(tick, 200)
  load().catch((error) => toast(error.message, "bad"))
}

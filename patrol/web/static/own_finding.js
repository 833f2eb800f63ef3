// File what a person sees: F opens the dialog with what is under the hand (a focused tile, the
// page's camera, the frame of a live view, else a telephone call); a key chooses the category and
// Enter files it. What was filed is kept and sent until it stands (kept.js).
import { send, toast } from "./console.js"
import { sentence, submit } from "./kept.js"

const dialog = document.getElementById("own-finding")
const form = dialog.querySelector("form"),
  figure = document.getElementById("own-picture"),
  rect = figure.querySelector("rect"),
  categories = document.getElementById("own-categories"),
  REMEMBERED = "own-finding-to"
let choices = null,
  about = null, // {source, camera, round, picture, frame}
  chosen = "",
  box = null,
  busy = false

// Where the mouse is: tiles are renewed under it, and a new one is not "hovered" until it moves.
const pointer = [-1, -1]
document.addEventListener("pointermove", (event) => {
  pointer[0] = event.clientX
  pointer[1] = event.clientY
})

// What the finding would be about: the nearest element that says so, or a telephone call.
function subject(from) {
  const all = document.querySelectorAll("main [data-file-source]")
  const under = document.elementFromPoint(...pointer)?.closest("main [data-file-source]")
  const holder = from?.closest?.("[data-file-source]") ?? under ?? (all.length === 1 ? all[0] : null)
  if (!holder) return { source: "phone" }
  const { fileSource: source, fileCamera: camera, fileRound: round, filePatrol: patrol } = holder.dataset
  if (!camera) return { source: "phone" }
  const frame = holder.querySelector("[data-frame]")
  const { filePicture: picture = "", fileUrl: url = "" } = holder.dataset // of one that is on the page
  const what = { source, camera, picture, url, round: round ?? "", patrol: patrol ?? "" }
  return { ...what, frame: frame?.dataset.frame ?? "", shown: frame }
}

async function open(from) {
  if (dialog.open || busy) return
  about = subject(from)
  chosen = ""
  box = null
  form.reset()
  form.elements.to.value = localStorage.getItem(REMEMBERED) ?? "case"
  rect.removeAttribute("width")
  figure.querySelector("img, canvas")?.remove()
  figure.hidden = true
  document.getElementById("own-where").textContent = ""
  document.getElementById("own-phone").hidden = about.source !== "phone"
  const frozen = about.frame ? freeze(about.shown) : null
  dialog.showModal()
  categories.focus()
  try {
    choices ??= await send("/api/findings/own/choices", undefined, { method: "GET" })
    fill()
    if (about.camera) await lookUp(frozen)
  } catch (error) {
    toast(error.message, "bad")
  }
  dialog.dataset.ready = about.source
}

// The frame as it stands: the next one replaces the image under it.
function freeze(image) {
  const canvas = document.createElement("canvas")
  canvas.width = image.naturalWidth
  canvas.height = image.naturalHeight
  canvas.getContext("2d").drawImage(image, 0, 0)
  return canvas
}

async function lookUp(frozen) {
  const query = new URLSearchParams({ camera: about.camera, round: about.round })
  const found = await send(`/api/findings/own/picture?${query}`, undefined, { method: "GET" })
  document.getElementById("own-where").textContent = `${found.name} ${found.grid}`
  if (frozen) {
    show(frozen)
    return
  }
  about.picture ||= found.picture
  const url = about.url || found.url
  if (!url) return
  const image = new Image()
  image.src = url
  image.alt = found.taken
  image.draggable = false
  show(image)
}

function show(picture) {
  figure.prepend(picture)
  figure.hidden = false
}

function fill() {
  if (!categories.children.length) {
    for (const one of choices.categories) {
      const button = document.createElement("button")
      button.type = "button"
      button.dataset.category = one.id
      button.setAttribute("role", "radio")
      const key = document.createElement("kbd")
      key.textContent = one.key.toUpperCase()
      button.append(key, ` ${one.label}`)
      categories.append(button)
    }
    for (const [value, label] of choices.levels) form.elements.level.add(new Option(label, value))
    for (const [code, name] of choices.grids) form.elements.grid.add(new Option(name, code))
    document
      .getElementById("own-cameras")
      .append(...choices.cameras.map(([id, name]) => new Option(name, id)))
  }
  choose("")
}

function choose(category) {
  chosen = category
  for (const button of categories.children) {
    button.setAttribute("aria-checked", String(button.dataset.category === category))
  }
  const known = choices.categories.find((one) => one.id === category)
  if (known) form.elements.level.value = known.level
  urgent()
}

function urgent() {
  document.getElementById("own-phoned").hidden =
    form.elements.level.value !== "I" || form.elements.to.value !== "case"
}

async function file() {
  if (busy) return
  if (!chosen) {
    toast(dialog.dataset.pick, "bad")
    return
  }
  const { text, level, to, phoned, camera, grid, place } = form.elements
  const phone = about.source === "phone"
  const body = {
    category: chosen,
    source: about.source,
    camera: phone ? camera.value.trim() : about.camera,
    grid: phone && !camera.value.trim() ? grid.value : "",
    place: phone ? place.value : "",
    round: about.round ?? "",
    patrol: about.patrol ?? "",
    picture: about.picture ?? "",
    frame: about.frame ?? "",
    level: level.value,
    box: box && (about.picture || about.frame) ? box : null,
    text: text.value,
    to: to.value,
    phoned: phoned.value,
  }
  if (phone && !body.camera && !text.value.trim()) {
    toast(dialog.dataset.missing, "bad")
    text.focus()
    return
  }
  localStorage.setItem(REMEMBERED, to.value)
  busy = true
  try {
    const { state, reply } = await submit("/api/findings/own", body, document.getElementById("own-title").textContent)
    if (state === "refused") toast(sentence(reply), "bad")
    else {
      dialog.close()
      if (state === "done") toast(reply?.words ?? dialog.dataset.filed, "good")
    }
  } finally {
    busy = false
  }
}

// ---- the box, drawn by dragging; shares of the picture
let from = null
const share = (event) => {
  const area = figure.querySelector("img, canvas").getBoundingClientRect()
  const limit = (value) => Math.min(1, Math.max(0, value))
  return [limit((event.clientX - area.left) / area.width), limit((event.clientY - area.top) / area.height)]
}
figure.addEventListener("pointerdown", (event) => {
  from = share(event)
  figure.setPointerCapture(event.pointerId)
  event.preventDefault()
})
figure.addEventListener("pointermove", (event) => {
  if (!from) return
  const to = share(event)
  const [x, y] = [Math.min(from[0], to[0]), Math.min(from[1], to[1])]
  const [width, height] = [Math.abs(to[0] - from[0]), Math.abs(to[1] - from[1])]
  box = width > 0.01 && height > 0.01 ? [x, y, width, height].map((one) => Math.round(one * 10000) / 10000) : null
  for (const [name, value] of Object.entries({ x, y, width, height })) rect.setAttribute(name, value)
})
figure.addEventListener("pointerup", () => {
  from = null
  if (!box) rect.removeAttribute("width")
})

// ---- keys and buttons
form.addEventListener("submit", (event) => {
  event.preventDefault()
  file()
})
form.addEventListener("change", urgent)
dialog.addEventListener("close", () => delete dialog.dataset.ready)
dialog.addEventListener("click", (event) => {
  const button = event.target.closest("button")
  if (button?.dataset.category) choose(button.dataset.category)
  if (button?.value === "no") dialog.close()
})
dialog.addEventListener("keydown", (event) => {
  event.stopPropagation() // the page behind has keys of its own
  const typing = event.target.matches("input, select, textarea")
  if (event.key === "Enter" && (!typing || event.target.matches("input"))) {
    event.preventDefault()
    file()
    return
  }
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return
  const known = choices?.categories.find((one) => one.key === event.key.toLowerCase())
  if (known) {
    event.preventDefault()
    choose(known.id)
  }
})
document.addEventListener("keydown", (event) => {
  if (event.key.toLowerCase() !== "f" || event.ctrlKey || event.metaKey || event.altKey) return
  if (event.target.closest?.("input, select, textarea, dialog[open]") || document.querySelector("dialog[open]")) return
  event.preventDefault()
  open(document.activeElement)
})
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-file-finding]")
  if (button) open(button)
})

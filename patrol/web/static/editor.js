// The editor on the picture: mouse, finger and keyboard do the same things to the same shapes.
import { send, toast } from "/static/console.js"
import {
  LEAST_POINTS,
  History,
  areasOf,
  at,
  box,
  crosses,
  middle,
  shapesOf,
  shifted,
  sides,
} from "/static/drawing.js"

const root = document.getElementById("editor")
const t = (zh, en) => (root.dataset.lang === "zh" ? zh : en)
const SORTS = {
  visible: t("可视区", "Visible area"),
  ignore: t("忽略区", "Ignored area"),
  zone: t("关注区", "Zone"),
}
const STEP = 0.005,
  LARGE_STEP = 0.05,
  HANDLE_PX = 8,
  REACH_PX = 20
const SVG = "http://www.w3.org/2000/svg"

const stage = document.getElementById("stage"),
  svg = document.getElementById("shapes")
const list = document.getElementById("list"),
  zone = document.getElementById("zone")
const form = document.getElementById("save"),
  hint = document.getElementById("hint")
const size = [Number(root.dataset.width), Number(root.dataset.height)]
let before = JSON.parse(root.dataset.areas),
  mark = root.dataset.mark
let history = new History(shapesOf(before)),
  shapes = history.state
let chosen = null,
  point = null // the shape and its corner that keys act upon
let sketch = null // corners of an area that is being drawn
let drag = null

svg.setAttribute("viewBox", `0 0 ${size[0]} ${size[1]}`)
stage.style.aspectRatio = `${size[0]} / ${size[1]}`

// ---- drawing what there is

const make = (name, attributes, parent) => {
  const one = document.createElementNS(SVG, name)
  for (const [key, value] of Object.entries(attributes)) one.setAttribute(key, value)
  parent.append(one)
  return one
}
const px = ([x, y]) => `${x * size[0]},${y * size[1]}`
const unit = () => size[0] / (svg.clientWidth || size[0]) // picture pixels in one of the screen's
const percent = ([x, y]) => `${Math.round(x * 100)} %, ${Math.round(y * 100)} %`
const nameOf = (shape) => (shape.sort === "zone" ? shape.zone.name || SORTS.zone : SORTS[shape.sort])

function draw() {
  const held = document.activeElement?.dataset?.point
  svg.replaceChildren()
  const seen = shapes.find((shape) => shape.sort === "visible")
  if (seen)
    make(
      "path",
      {
        class: "outside",
        "fill-rule": "evenodd",
        d: `M0,0H${size[0]}V${size[1]}H0Z M${seen.points.map(px).join("L")}Z`,
      },
      svg,
    )
  shapes.forEach((shape, n) => {
    const group = make(
      "g",
      {
        class: `shape ${shape.sort}${n === chosen ? " chosen" : ""}${crosses(shape.points) ? " wrong" : ""}`,
      },
      svg,
    )
    make("polygon", { points: shape.points.map(px).join(" "), "data-shape": n }, group)
    const [x, y] = shape.points.reduce((a, b) => (b[1] < a[1] ? b : a))
    make(
      "text",
      {
        x: x * size[0] + 6 * unit(),
        y: Math.max(16 * unit(), y * size[1] - 6 * unit()),
        "font-size": 14 * unit(),
      },
      group,
    ).textContent = nameOf(shape)
  })
  if (chosen !== null) corners(shapes[chosen])
  if (sketch) drawSketch()
  if (held !== undefined && point !== null)
    svg.querySelector(`[data-point="${point}"]`)?.focus({ preventScroll: true })
  panel()
}

function corners(shape) {
  const one = unit()
  sides(shape.points).forEach(([a, b], n) => {
    const [x, y] = middle(a, b)
    const plus = make("g", { class: "between", "data-after": n }, svg)
    make("circle", { cx: x * size[0], cy: y * size[1], r: REACH_PX * 0.7 * one, class: "reach" }, plus)
    make("circle", { cx: x * size[0], cy: y * size[1], r: HANDLE_PX * 0.6 * one }, plus)
  })
  shape.points.forEach((where, n) => {
    const label = `${nameOf(shape)}: ${t("点", "point")} ${n + 1} / ${shape.points.length}, ${percent(where)}`
    const corner = make(
      "g",
      {
        class: `corner${n === point ? " held" : ""}`,
        "data-point": n,
        tabindex: 0,
        role: "button",
        "aria-label": label,
      },
      svg,
    )
    const [x, y] = [where[0] * size[0], where[1] * size[1]]
    make("circle", { cx: x, cy: y, r: REACH_PX * one, class: "reach" }, corner)
    make("circle", { cx: x, cy: y, r: HANDLE_PX * one }, corner)
  })
}

function drawSketch() {
  make("polyline", { class: "sketch", points: sketch.points.map(px).join(" ") }, svg)
  for (const [n, [x, y]] of sketch.points.entries())
    make(
      "circle",
      { class: n ? "dot" : "dot first", cx: x * size[0], cy: y * size[1], r: HANDLE_PX * unit() },
      svg,
    )
}

// ---- the panel beside the picture

function panel() {
  const rows = shapes.map((shape, n) => {
    const button = document.createElement("button")
    button.type = "button"
    button.className = `row ${shape.sort}`
    button.setAttribute("aria-pressed", n === chosen)
    button.textContent = `${nameOf(shape)} · ${shape.points.length} ${t("点", "points")}`
    button.addEventListener("click", () => {
      choose(n === chosen ? null : n)
    })
    return button
  })
  if (!rows.length) {
    rows.push(
      Object.assign(document.createElement("p"), {
        className: "empty",
        textContent: t(
          "还没有划定：整幅画面都看，没有关注区。",
          "Nothing drawn: the whole picture is seen, and no zone asks for anything.",
        ),
      }),
    )
  }
  const held = document.activeElement?.closest?.("#list")
    ? [...list.children].indexOf(document.activeElement)
    : -1
  list.replaceChildren(...rows)
  if (held >= 0) list.children[Math.min(held, rows.length - 1)]?.focus?.()
  const tool = (name) => document.querySelector(`[data-do=${name}]`)
  tool("undo").disabled = !history.canUndo
  tool("redo").disabled = !history.canRedo
  tool("revert").disabled = !history.changed
  tool("remove").disabled = chosen === null
  tool("remove").textContent = point === null ? t("删除区域", "Delete area") : t("删除点", "Delete point")
  tool("finish").hidden = tool("cancel").hidden = !sketch
  document.querySelector("[data-new=visible]").disabled = shapes.some((shape) => shape.sort === "visible")
  const wrong = shapes.some((shape) => crosses(shape.points))
  form.querySelector("button.strong").disabled = !history.changed || wrong || Boolean(sketch)
  document.getElementById("suspends").hidden =
    JSON.stringify(areasOf(shapes, before).visible) === JSON.stringify(before.visible)
  if (sketch)
    hint.textContent = t(
      "逐点点击；点回第一点或按 Enter 完成，Esc 取消。直接按 Enter 得到一个方框。",
      "Click point after point; click the first one or press Enter to finish, Esc to cancel. Enter at once gives a box.",
    )
  else if (wrong)
    hint.textContent = t(
      "红色的轮廓自己交叉了，请把点按顺序围起来。",
      "The red outline crosses itself; put its points in order around the area.",
    )
  else if (chosen !== null)
    hint.textContent = t(
      "拖动圆点移动，拖动小点加点，拖动内部整体移动。",
      "Drag a point to move it, a small one to add one, the inside to move all.",
    )
  else hint.textContent = t("点选一个区域，或添加一个。", "Choose an area, or add one.")
  showZone()
}

function showZone() {
  const shape = chosen === null ? null : shapes[chosen]
  zone.hidden = shape?.sort !== "zone"
  if (zone.hidden || zone.contains(document.activeElement)) return
  const of = shape.zone,
    boxes = [...zone.querySelectorAll("[name=class]")]
  const known = boxes.map((one) => one.value)
  zone.elements.name.value = of.name ?? ""
  zone.elements.kind.value = of.kind
  for (const one of boxes) one.checked = (of.classes ?? []).includes(one.value)
  zone.elements.others.value = (of.classes ?? []).filter((name) => !known.includes(name)).join(", ")
  zone.elements.hours.value = [of.hours ?? []].flat().join(", ")
  zone.elements.min_visits.value = of.min_visits ?? 1
}

zone.addEventListener("input", () => {
  const list = (text) =>
    text
      .split(/[,,;;]/)
      .map((one) => one.trim())
      .filter(Boolean)
  const set = (key, value, empty) => {
    if (empty) delete of[key]
    else of[key] = value
  }
  const of = shapes[chosen].zone
  of.name = zone.elements.name.value.trim()
  of.kind = zone.elements.kind.value
  const classes = [...zone.querySelectorAll("[name=class]:checked")]
    .map((one) => one.value)
    .concat(list(zone.elements.others.value))
  const hours = list(zone.elements.hours.value),
    visits = Number(zone.elements.min_visits.value)
  set("classes", classes, !classes.length)
  set("hours", hours, !hours.length)
  set("min_visits", visits, visits === 1)
  draw()
})
zone.addEventListener("change", commit)
zone.addEventListener("submit", (event) => event.preventDefault())

// ---- changes

function commit() {
  history.push(shapes)
  draw()
}
function choose(n, corner = null) {
  chosen = n
  point = corner
  draw()
}
function go(state) {
  shapes = state
  if (chosen >= shapes.length) chosen = point = null
  if (chosen !== null && point >= shapes[chosen].points.length) point = null
  draw()
}

function begin(sort) {
  sketch = { sort, points: [] }
  chosen = point = null
  stage.classList.add("sketching")
  draw()
  svg.setAttribute("tabindex", 0)
  svg.focus({ preventScroll: true })
  stage.scrollIntoView({ block: "nearest" })
}
function finish() {
  const points = sketch.points.length >= LEAST_POINTS ? sketch.points : box()
  const names = shapes.map((shape) => shape.zone?.name)
  let number = 1
  while (names.includes(`${SORTS.zone} ${number}`)) number += 1
  const kinds = JSON.parse(root.dataset.kinds).map(([ident]) => ident)
  const kind = kinds.includes("blocking_vehicle") ? "blocking_vehicle" : kinds[0]
  shapes.push({
    sort: sketch.sort,
    points,
    ...(sketch.sort === "zone" ? { zone: { name: `${SORTS.zone} ${number}`, kind } } : {}),
  })
  cancel()
  chosen = shapes.length - 1
  commit()
  svg.querySelector("[data-point]")?.focus({ preventScroll: true })
}
function cancel() {
  sketch = null
  stage.classList.remove("sketching")
  svg.removeAttribute("tabindex")
  draw()
}

function remove() {
  if (chosen === null) return
  const points = shapes[chosen].points
  if (point === null) {
    shapes.splice(chosen, 1)
    chosen = null
  } else if (points.length > LEAST_POINTS) {
    points.splice(point, 1)
    point = Math.min(point, points.length - 1)
  } else {
    toast(
      t(
        "至少三个点；要删整个区域，先按 Esc 取消选点。",
        "Three points at least; press Esc first to delete the whole area.",
      ),
    )
    return
  }
  commit()
}
function insert(after, where) {
  const points = shapes[chosen].points
  points.splice(after + 1, 0, where ?? middle(points[after], points[(after + 1) % points.length]))
  point = after + 1
}

// ---- pointer: mouse, finger, pen

const here = (event) => {
  const frame = svg.getBoundingClientRect()
  return at((event.clientX - frame.left) / frame.width, (event.clientY - frame.top) / frame.height)
}

svg.addEventListener("pointerdown", (event) => {
  if (event.button || drag) return
  if (sketch) {
    const where = here(event),
      [first] = sketch.points
    const frame = svg.getBoundingClientRect()
    const near =
      first &&
      Math.hypot((where[0] - first[0]) * frame.width, (where[1] - first[1]) * frame.height) < REACH_PX
    if (near && sketch.points.length >= LEAST_POINTS) finish()
    else {
      sketch.points.push(where)
      draw()
    }
    event.preventDefault()
    return
  }
  const corner = event.target.closest("[data-point]"),
    between = event.target.closest("[data-after]")
  const shape = event.target.closest("[data-shape]")
  if (corner) point = Number(corner.dataset.point)
  else if (between) insert(Number(between.dataset.after), here(event))
  else if (shape && Number(shape.dataset.shape) === chosen) point = null
  else {
    choose(shape ? Number(shape.dataset.shape) : null)
    return
  }
  drag = {
    id: event.pointerId,
    from: here(event),
    points: structuredClone(shapes[chosen].points),
    whole: !(corner || between),
  }
  svg.setPointerCapture(event.pointerId)
  event.preventDefault()
  draw()
  svg.querySelector(`[data-point="${point}"]`)?.focus({ preventScroll: true })
})
svg.addEventListener("pointermove", (event) => {
  if (drag?.id !== event.pointerId) return
  const where = here(event)
  if (drag.whole)
    shapes[chosen].points = shifted(drag.points, where[0] - drag.from[0], where[1] - drag.from[1])
  else shapes[chosen].points[point] = where
  draw()
})
const drop = (event) => {
  if (drag?.id === event.pointerId) {
    drag = null
    commit()
  }
}
svg.addEventListener("pointerup", drop)
svg.addEventListener("pointercancel", drop)
svg.addEventListener("focusin", (event) => {
  const corner = event.target.closest("[data-point]")
  if (!corner || Number(corner.dataset.point) === point) return
  point = Number(corner.dataset.point)
  for (const one of svg.querySelectorAll(".corner")) one.classList.toggle("held", one === corner)
})

// ---- keys

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }
const typing = (event) => event.target.closest?.("input, select, textarea")

function moveBy([dx, dy], step) {
  const points = shapes[chosen].points
  if (point === null) shapes[chosen].points = shifted(points, dx * step, dy * step)
  else points[point] = at(points[point][0] + dx * step, points[point][1] + dy * step)
  commit()
}

document.addEventListener("keydown", (event) => {
  const letter = event.key.toLowerCase()
  if ((event.ctrlKey || event.metaKey) && "zy".includes(letter) && letter && !typing(event)) {
    go(letter === "z" && !event.shiftKey ? history.undo() : history.redo())
  } else if (typing(event) || event.ctrlKey || event.metaKey || event.altKey) return
  else if (sketch && event.key === "Enter" && !event.target.closest("button")) finish()
  else if (sketch && event.key === "Escape") cancel()
  else if (sketch && event.key === "Backspace") {
    sketch.points.pop()
    draw()
  } else if (chosen === null) return
  else if (event.key in ARROWS && event.target.closest("#stage, #list"))
    moveBy(ARROWS[event.key], event.shiftKey ? LARGE_STEP : STEP)
  else if (event.key === "Delete" || event.key === "Backspace") remove()
  else if (event.key === "Insert" && point !== null) {
    insert(point)
    commit()
  } else if (event.key === "Escape") {
    if (point === null) choose(null)
    else {
      choose(chosen)
      list.children[chosen].focus()
    }
  } else return
  event.preventDefault()
})

// ---- tools and saving

document.querySelector(".tools").addEventListener("click", (event) => {
  const button = event.target.closest("button")
  if (button?.dataset.new) begin(button.dataset.new)
  else if (button?.dataset.do === "undo") go(history.undo())
  else if (button?.dataset.do === "redo") go(history.redo())
  else if (button?.dataset.do === "remove") remove()
  else if (button?.dataset.do === "finish") finish()
  else if (button?.dataset.do === "cancel") cancel()
})
document.querySelector("[data-do=revert]").addEventListener("click", () => {
  shapes = shapesOf(before)
  chosen = point = null
  commit()
})

form.addEventListener("submit", async (event) => {
  event.preventDefault()
  const button = form.querySelector("button.strong"),
    problems = document.getElementById("problems")
  button.disabled = true
  problems.hidden = true
  try {
    const saved = await send(
      `/api/cameras/${root.dataset.camera}/areas`,
      { areas: areasOf(shapes, before), mark, why: form.elements.why.value.trim() },
      { method: "PUT" },
    )
    before = saved.areas
    mark = saved.mark
    history = new History(shapesOf(before))
    form.elements.why.value = ""
    toast(t("已保存，下一次巡查起生效", "Saved; it counts from the next visit on"))
    go(history.state)
  } catch (error) {
    const lines = (error.reply?.problems ?? []).map((one) =>
      Object.assign(document.createElement("li"), { textContent: `${one.field}: ${one.text}` }),
    )
    const summary = Object.assign(document.createElement("p"), { className: "bad", textContent: error.message })
    const all = document.createElement("ul")
    all.append(...lines)
    problems.replaceChildren(summary, all)
    problems.hidden = false
    button.disabled = false
  }
})

addEventListener("beforeunload", (event) => {
  if (history.changed) event.preventDefault()
})
addEventListener("resize", draw)
draw()

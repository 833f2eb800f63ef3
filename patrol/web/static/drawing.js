// What is drawn on a camera's picture, as data: shapes, history, geometry. Knows no page.
// Coordinates are fractions of the picture, rounded to a ten-thousandth (a fifth of a pixel).

export const LEAST_POINTS = 3
const clamp = (value) => Math.round(Math.min(1, Math.max(0, value)) * 10000) / 10000
export const at = (x, y) => [clamp(x), clamp(y)]

// A shape: { sort: "visible" | "ignore" | "zone", points, zone: what zones.yaml says beside it }
export function shapesOf(areas) {
  const shapes = []
  if (areas.visible) shapes.push({ sort: "visible", points: areas.visible })
  for (const points of areas.ignore ?? []) shapes.push({ sort: "ignore", points })
  for (const { polygon, ...zone } of areas.zones ?? []) shapes.push({ sort: "zone", points: polygon, zone })
  return structuredClone(shapes)
}

// What the file said and the editor does not know goes along untouched.
export function areasOf(shapes, before) {
  const { visible: _v, ignore: _i, zones: _z, ...rest } = before
  const of = (sort) => shapes.filter((shape) => shape.sort === sort)
  const areas = { ...rest }
  if (of("visible").length) areas.visible = of("visible")[0].points
  if (of("ignore").length) areas.ignore = of("ignore").map((shape) => shape.points)
  if (of("zone").length) areas.zones = of("zone").map((shape) => ({ ...shape.zone, polygon: shape.points }))
  return structuredClone(areas)
}

export class History {
  constructor(first) {
    this.states = [JSON.stringify(first)]
    this.now = 0
  }
  get state() {
    return JSON.parse(this.states[this.now])
  }
  get canUndo() {
    return this.now > 0
  }
  get canRedo() {
    return this.now < this.states.length - 1
  }
  get changed() {
    return this.states[this.now] !== this.states[0]
  }
  push(state) {
    const text = JSON.stringify(state)
    if (text === this.states[this.now]) return
    this.states.splice(this.now + 1, Infinity, text)
    this.now += 1
  }
  undo() {
    if (this.canUndo) this.now -= 1
    return this.state
  }
  redo() {
    if (this.canRedo) this.now += 1
    return this.state
  }
}

export const middle = ([x0, y0], [x1, y1]) => at((x0 + x1) / 2, (y0 + y1) / 2)
export const sides = (points) => points.map((point, n) => [point, points[(n + 1) % points.length]])
export const box = () => [
  [0.3, 0.3],
  [0.7, 0.3],
  [0.7, 0.7],
  [0.3, 0.7],
]

export function shifted(points, dx, dy) {
  const xs = points.map(([x]) => x),
    ys = points.map(([, y]) => y)
  const x = Math.min(1 - Math.max(...xs), Math.max(-Math.min(...xs), dx))
  const y = Math.min(1 - Math.max(...ys), Math.max(-Math.min(...ys), dy))
  return points.map(([px, py]) => at(px + x, py + y))
}

const turn = ([ax, ay], [bx, by], [cx, cy]) => (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
export function crosses(points) {
  const all = sides(points)
  return all.some(([a, b], n) =>
    all.slice(n + 1).some(([c, d]) => turn(a, b, c) * turn(a, b, d) < 0 && turn(c, d, a) * turn(c, d, b) < 0),
  )
}

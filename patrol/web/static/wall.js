// The wall: filters that answer at once, arrow keys over the tiles.
const form = document.getElementById("filters")
const remembered = `wall:${location.pathname}`

function apply() {
  const wall = document.getElementById("wall")
  if (!wall) return
  const wanted = Object.fromEntries(new FormData(form))
  const text = wanted.text.trim().toLowerCase()
  let shown = 0
  for (const tile of wall.children) {
    const fits =
      ["village", "outcome", "fault", "finding"].every(
        (key) => !wanted[key] || tile.dataset[key] === wanted[key],
      ) &&
      (!text || tile.dataset.text.toLowerCase().includes(text))
    if (tile.hidden === fits) tile.hidden = !fits
    shown += fits
  }
  const output = document.getElementById("shown")
  output.value = output.dataset.text.replace("{n}", shown)
  document.getElementById("nothing").hidden = shown > 0
  sessionStorage.setItem(remembered, JSON.stringify(wanted))
}

for (const [name, value] of Object.entries(JSON.parse(sessionStorage.getItem(remembered) ?? "{}"))) {
  if (form.elements[name]) form.elements[name].value = value
}
form.addEventListener("input", apply)
form.addEventListener("submit", (event) => event.preventDefault())
document.addEventListener("renewed", apply)
apply()

const STEPS = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 0, ArrowUp: 0 }
document.addEventListener("keydown", (event) => {
  const tile = document.activeElement?.closest?.(".tile")
  if (!tile || !(event.key in STEPS)) return
  const tiles = [...tile.parentElement.children].filter((one) => !one.hidden)
  const columns = tiles.filter((one) => one.offsetTop === tiles[0].offsetTop).length
  const step = STEPS[event.key] || (event.key === "ArrowDown" ? columns : -columns)
  const next = tiles[tiles.indexOf(tile) + step]
  if (next) {
    next.focus()
    event.preventDefault()
  }
})

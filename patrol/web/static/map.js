// The map: cameras by state, open cases, unreviewed alarms, grids as areas. Its library comes from
// /static-ext; tiles only if a site wants them. A renewal changes marks in their places: what was
// opened stays open, and the view is where the reader left it.
import { onMoved, listen } from "/static/console.js"

const box = document.getElementById("map"),
  mapStatus = document.getElementById("map-status")
const t = (zh, en) => (box.dataset.lang === "zh" ? zh : en)
const COLOURS = {
  online: "#46d687",
  faulty: "#ff7d72",
  offline: "#ffcf5c",
  unknown: "#6f8794",
  refused: "#6f8794",
}
const ORDER = ["refused", "unknown", "online", "offline", "faulty"] // what needs somebody lies on top
const AREAS = {
  town: { weight: 2, fill: false, color: "#54707f" },
  village: { weight: 2, fillOpacity: 0.04, color: "#8cc8ff" },
  group: { weight: 1, fillOpacity: 0.05, color: "#54707f" },
}

const make = (name, text, more = {}) =>
  Object.assign(document.createElement(name), { textContent: text }, more)

function popup(camera) {
  const all = document.createElement("div")
  all.append(camera.url ? make("a", camera.name, { href: camera.url }) : make("b", camera.name))
  all.append(
    make("p", camera.grid),
    make("p", camera.since ? `${camera.words} · ${t("自", "since")} ${camera.since}` : camera.words),
  )
  return all
}

function casesPopup(place) {
  const all = document.createElement("div"),
    list = make("ul", "", { className: "mapcases" })
  all.append(make("b", place.name))
  if (!place.exact) all.append(make("p", t("约在此处（网格内没有确切位置）", "roughly here: no exact position")))
  for (const one of place.lines) {
    const item = document.createElement("li")
    item.append(make("a", `${one.what} ${one.id}`, { href: one.url }), make("p", `${one.state} · ${one.left}`))
    list.append(item)
  }
  all.append(list)
  return all
}

function alarmPopup(alarm) {
  const all = document.createElement("div")
  all.append(
    make("a", `${alarm.level} ${alarm.what}`, { href: alarm.url }),
    make("p", `${alarm.name} · ${alarm.ago}`),
  )
  return all
}

// Marks of one kind, each known by its key: renewed in place, added, or taken away.
function layer(L, map, { keyOf, draw, change, popupOf, titleOf }) {
  const group = L.featureGroup().addTo(map),
    marks = new Map()
  return {
    group,
    renew(found) {
      const gone = new Set(marks.keys())
      for (const one of found) {
        const key = keyOf(one)
        gone.delete(key)
        const known = marks.get(key)
        if (known) {
          const differs = JSON.stringify(known.one) !== JSON.stringify(one)
          known.one = one
          if (!differs) continue
          change(known.mark, one)
          if (known.mark.isPopupOpen()) known.mark.setPopupContent(popupOf(one))
          continue
        }
        const entry = { one, mark: draw(one) }
        entry.mark
          .bindPopup(() => popupOf(entry.one), { autoPan: true })
          .bindTooltip(() => make("span", titleOf(entry.one)))
          .addTo(group)
        marks.set(key, entry)
      }
      for (const key of gone) {
        group.removeLayer(marks.get(key).mark)
        marks.delete(key)
      }
    },
  }
}

const cameraStyle = (camera) => ({
  radius: 5,
  weight: camera.state === "refused" ? 2 : 1,
  color: camera.state === "refused" ? COLOURS.refused : "#0b1216",
  fillColor: COLOURS[camera.state] ?? COLOURS.unknown,
  fillOpacity: camera.state === "refused" ? 0 : 0.95,
})

function layers(L, map) {
  const icon = (className, text) =>
    L.divIcon({ className: `mapmark ${className}`, html: make("b", text), iconSize: [22, 22] })
  const caseIcon = (place) =>
    icon(`case-${place.light}${place.exact ? "" : " rough"}`, String(place.lines.length))
  return {
    cameras: layer(L, map, {
      keyOf: (camera) => camera.id,
      draw: (camera) => L.circleMarker([camera.at[1], camera.at[0]], cameraStyle(camera)),
      change: (mark, camera) => mark.setLatLng([camera.at[1], camera.at[0]]).setStyle(cameraStyle(camera)),
      popupOf: popup,
      titleOf: (camera) => `${camera.name} · ${camera.words}`,
    }),
    cases: layer(L, map, {
      keyOf: (place) => place.at.join(),
      draw: (place) =>
        L.marker([place.at[1], place.at[0]], { icon: caseIcon(place), alt: caseTitle(place), zIndexOffset: 100 }),
      change: (mark, place) => mark.setIcon(caseIcon(place)),
      popupOf: casesPopup,
      titleOf: caseTitle,
    }),
    alarms: layer(L, map, {
      keyOf: (alarm) => alarm.id,
      draw: (alarm) =>
        L.marker([alarm.at[1], alarm.at[0]], { icon: icon("alarm", "!"), alt: alarmTitle(alarm), zIndexOffset: 200 }),
      change: () => {},
      popupOf: alarmPopup,
      titleOf: alarmTitle,
    }),
  }
}
const caseTitle = (place) => `${place.name} · ${place.lines.map((one) => one.what).join(t("、", ", "))} · ${place.words}`
const alarmTitle = (alarm) => `${alarm.level} ${alarm.what} · ${alarm.name} · ${alarm.ago}`

async function begin() {
  const { leaflet: L } = await import(box.dataset.leaflet)
  const map = L.map(box, { preferCanvas: false, zoomControl: false, attributionControl: true })
  L.control.zoom({ zoomInTitle: t("放大", "Zoom in"), zoomOutTitle: t("缩小", "Zoom out") }).addTo(map)
  map.attributionControl.setPrefix("Leaflet")
  L.control.scale({ imperial: false }).addTo(map)
  if (box.dataset.tiles) L.tileLayer(box.dataset.tiles, { maxZoom: 19 }).addTo(map)
  const areas = L.featureGroup().addTo(map),
    shown = layers(L, map),
    known = new Map()

  async function renew() {
    const answer = await fetch(box.dataset.from, { headers: { accept: "application/json" } })
    if (!answer.ok) throw new Error(answer.statusText)
    const found = await answer.json()
    if (!known.size) outline(found.grids)
    found.cameras.sort((a, b) => ORDER.indexOf(a.state) - ORDER.indexOf(b.state))
    for (const [name, one] of Object.entries(shown)) one.renew(found[name])
    for (const name of ["cases", "alarms"]) {
      const count = document.querySelector(`[data-count=${name}]`)
      if (count) count.textContent = total(name, found)
    }
    return found
  }

  function outline(grids) {
    for (const grid of grids) {
      const area = L.geoJSON(grid.geometry, { style: AREAS[grid.level], interactive: false }).addTo(areas)
      if (grid.level === "village")
        L.tooltip({ permanent: true, direction: "center", className: "gridname" })
          .setLatLng(area.getBounds().getCenter())
          .setContent(make("span", grid.name))
          .addTo(map)
      known.set(grid.code, area)
    }
  }

  const found = await renew()
  const dots = shown.cameras.group
  const bounds = dots.getLayers().length ? dots.getBounds() : areas.getBounds()
  if (bounds.isValid()) map.fitBounds(bounds.pad(0.08))
  else map.setView([39.6, 98.75], 11)
  box.dataset.ready = found.cameras.length
  onMoved(["health", "cases", "queue"], () => renew().catch(() => {}))
  listen()
  for (const choice of document.querySelectorAll("input[data-layer]")) {
    choice.addEventListener("change", () => {
      const { group } = shown[choice.dataset.layer]
      if (choice.checked) group.addTo(map)
      else group.remove()
    })
  }

  let lit = null
  document.querySelector(".tree").addEventListener("click", (event) => {
    const area = known.get(event.target.closest("[data-show]")?.dataset.show)
    if (!area) return
    lit?.setStyle({ weight: lit.before })
    area.before = area.options.style.weight
    area.setStyle({ weight: 4 })
    lit = area
    map.fitBounds(area.getBounds().pad(0.2))
    box.scrollIntoView({ block: "nearest" })
  })
}

const total = (name, found) =>
  name === "cases" ? found.cases.reduce((sum, place) => sum + place.lines.length, 0) : found.alarms.length

begin().catch(() => {
  mapStatus.textContent = t(
    "地图加载失败；网格树不受影响。",
    "The map could not be loaded; the tree is complete without it.",
  )
})

// The map: cameras by state, grids as areas. Its library comes from /static-ext; tiles only if a site wants them.
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

async function begin() {
  const { leaflet: L } = await import(box.dataset.leaflet)
  const map = L.map(box, { preferCanvas: false, zoomControl: false, attributionControl: true })
  L.control.zoom({ zoomInTitle: t("放大", "Zoom in"), zoomOutTitle: t("缩小", "Zoom out") }).addTo(map)
  map.attributionControl.setPrefix("Leaflet")
  L.control.scale({ imperial: false }).addTo(map)
  if (box.dataset.tiles) L.tileLayer(box.dataset.tiles, { maxZoom: 19 }).addTo(map)
  const areas = L.featureGroup().addTo(map),
    dots = L.featureGroup().addTo(map),
    known = new Map()

  async function renew() {
    const answer = await fetch(box.dataset.from, { headers: { accept: "application/json" } })
    if (!answer.ok) throw new Error(answer.statusText)
    const found = await answer.json()
    if (!known.size) outline(found.grids)
    dots.clearLayers()
    found.cameras.sort((a, b) => ORDER.indexOf(a.state) - ORDER.indexOf(b.state))
    for (const camera of found.cameras) {
      const style = {
        radius: 5,
        weight: camera.state === "refused" ? 2 : 1,
        color: camera.state === "refused" ? COLOURS.refused : "#0b1216",
        fillColor: COLOURS[camera.state] ?? COLOURS.unknown,
        fillOpacity: camera.state === "refused" ? 0 : 0.95,
      }
      L.circleMarker([camera.at[1], camera.at[0]], style)
        .bindPopup(() => popup(camera))
        .bindTooltip(() => make("span", `${camera.name} · ${camera.words}`))
        .addTo(dots)
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
  const bounds = dots.getLayers().length ? dots.getBounds() : areas.getBounds()
  if (bounds.isValid()) map.fitBounds(bounds.pad(0.08))
  else map.setView([39.6, 98.75], 11)
  box.dataset.ready = found.cameras.length
  onMoved(["health"], () => renew().catch(() => {}))
  listen()

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

begin().catch(() => {
  mapStatus.textContent = t(
    "地图加载失败；网格树不受影响。",
    "The map could not be loaded; the tree is complete without it.",
  )
})

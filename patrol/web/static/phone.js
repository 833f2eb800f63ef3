// What the phone keeps (IndexedDB): replies waiting to be sent, their photos, the last list of cases.
// Each reply has its key from the start; it is sent until it was accepted, and the
// server drops repeats, so "sent once" holds however often the link breaks.
import { openDatabase } from "./database.js"

// The stores of one phone page; two pages on one phone send nothing of each other's.
export function openPhone(name) {
  const on = openDatabase(name, { queue: { keyPath: "key" }, kept: {} })
  return {
    queue: {
      add: (message) => on("queue", "readwrite", (store) => store.put(message)),
      drop: (key) => on("queue", "readwrite", (store) => store.delete(key)),
      all: async () =>
        (await on("queue", "readonly", (store) => store.getAll())).sort((a, b) => a.order - b.order),
    },
    keep: (key, value) => on("kept", "readwrite", (store) => store.put(value, key)),
    kept: (key) => on("kept", "readonly", (store) => store.get(key)),
    forget: async () => {
      await on("kept", "readwrite", (store) => store.clear())
      await on("queue", "readwrite", (store) => store.clear())
    },
  }
}

// Where the phone is; undefined where it does not know, or its owner does not say.
export function locate(timeout = 10_000) {
  return new Promise((resolve) => {
    if (!navigator.geolocation) {
      resolve(undefined)
      return
    }
    navigator.geolocation.getCurrentPosition(
      ({ coords }) =>
        resolve({ longitude: coords.longitude, latitude: coords.latitude, accuracy_m: coords.accuracy }),
      () => resolve(undefined),
      { enableHighAccuracy: true, timeout, maximumAge: 30_000 },
    )
  })
}

// Keep a page's files for the next visit, which may have no connection.
export async function cachePage(home, imported) {
  await navigator.serviceWorker.register(`${home}/worker.js`, { scope: home })
  const own = [...document.querySelectorAll("link[rel=stylesheet], link[rel=icon], script[src]")].map(
    (one) => one.href || one.src,
  )
  const cache = await caches.open(`${home.slice(1)}-1`)
  await cache.addAll([home, ...imported.map((name) => new URL(name, import.meta.url).href), ...own])
}

// Made smaller on a canvas, which turns it upright and leaves every tag (place, device) behind.
export async function smaller(file, longest = 1600) {
  const picture = await createImageBitmap(file, { imageOrientation: "from-image" })
  const scale = Math.min(1, longest / Math.max(picture.width, picture.height))
  const canvas = document.createElement("canvas")
  canvas.width = Math.round(picture.width * scale)
  canvas.height = Math.round(picture.height * scale)
  canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height)
  picture.close()
  return new Promise((resolve, reject) =>
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("no picture"))), "image/jpeg", 0.82),
  )
}

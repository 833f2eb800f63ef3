// What the phone keeps (IndexedDB): replies waiting to be sent, their photos, the last list of cases.
// Each reply has its key from the start; it is sent until it was accepted, and the
// server drops repeats, so "sent once" holds however often the link breaks.
import { openDatabase } from "./database.js"

const on = openDatabase("patrol-leader", { queue: { keyPath: "key" }, kept: {} })

export const queue = {
  add: (message) => on("queue", "readwrite", (store) => store.put(message)),
  drop: (key) => on("queue", "readwrite", (store) => store.delete(key)),
  all: async () =>
    (await on("queue", "readonly", (store) => store.getAll())).sort((a, b) => a.order - b.order),
}
export const keep = (name, value) => on("kept", "readwrite", (store) => store.put(value, name))
export const kept = (name) => on("kept", "readonly", (store) => store.get(name))
export const forget = async () => {
  await on("kept", "readwrite", (store) => store.clear())
  await on("queue", "readwrite", (store) => store.clear())
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

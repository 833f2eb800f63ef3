// A multipart body as it comes, cut into its parts: of live views (live.js, patrol.js).
export const decoder = new TextDecoder()
const NEWLINES = [13, 10, 13, 10]

// Parts of a multipart body whose heads say their length; keeps what is not whole yet.
export class Parts {
  constructor() {
    this.rest = new Uint8Array()
  }
  feed(bytes) {
    const all = new Uint8Array(this.rest.length + bytes.length)
    all.set(this.rest)
    all.set(bytes, this.rest.length)
    const found = []
    let from = 0
    for (;;) {
      const end = all.findIndex((_, n) => n >= from && NEWLINES.every((one, k) => all[n + k] === one))
      if (end < 0) break
      const head = decoder.decode(all.subarray(from, end))
      const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0),
        start = end + 4
      if (all.length < start + length) break
      found.push({ head, body: all.slice(start, start + length) })
      from = start + length
    }
    this.rest = all.slice(from)
    return found
  }
}

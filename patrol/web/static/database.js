// IndexedDB as promises: a database with its object stores, opened once, one transaction a call.
export function openDatabase(name, stores) {
  const opened = new Promise((resolve, reject) => {
    const request = indexedDB.open(name, 1)
    request.onupgradeneeded = () => {
      for (const [store, options] of Object.entries(stores)) request.result.createObjectStore(store, options)
    }
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
  opened.catch(() => {}) // each call below fails with it
  return async function on(store, mode, act) {
    const transaction = (await opened).transaction(store, mode)
    const request = act(transaction.objectStore(store))
    return new Promise((resolve, reject) => {
      transaction.oncomplete = () => resolve(request?.result)
      transaction.onerror = transaction.onabort = () => reject(transaction.error)
    })
  }
}

// A page that goes drops what it was about to write. Work that must reach the database before its
// page is left is named here, and `written` waits for it.
const unwritten = new Set()
export function beforeLeaving(work) {
  unwritten.add(work)
  const over = () => unwritten.delete(work)
  work.then(over, over)
  return work
}
export async function written() {
  while (unwritten.size) await Promise.allSettled([...unwritten])
}

export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("")
}

// Caches the phone page of its scope (/leader, /ground) and its own files, so that it opens without a connection. Never pictures or
// answers: the page itself keeps the list of cases, and clears it when the leader logs out.
const HOME = new URL(self.registration.scope).pathname
const CACHE_NAME = `${HOME.slice(1)}-1`
self.addEventListener("install", () => self.skipWaiting())
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()))
self.addEventListener("fetch", (event) => {
  const { request } = event,
    { pathname, origin } = new URL(request.url)
  const ours =
    origin === self.location.origin &&
    request.method === "GET" &&
    (pathname === HOME || pathname.startsWith("/static/"))
  if (!ours) return
  event.respondWith(
    (async () => {
      const cache = await caches.open(CACHE_NAME)
      try {
        const answer = await fetch(request)
        if (answer.ok && !answer.redirected) await cache.put(request, answer.clone())
        return answer
      } catch (error) {
        const last = await cache.match(request, { ignoreVary: true })
        if (last) return last
        throw error
      }
    })(),
  )
})

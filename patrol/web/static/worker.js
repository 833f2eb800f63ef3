// Keeps the leader's page and its own files, so that it opens without a link. Never pictures, never
// answers: the list of cases is kept by the page itself and goes when the leader logs out.
const SHELF = "leader-1"
self.addEventListener("install", () => self.skipWaiting())
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()))
self.addEventListener("fetch", (event) => {
  const { request } = event,
    { pathname, origin } = new URL(request.url)
  const ours =
    origin === self.location.origin &&
    request.method === "GET" &&
    (pathname === "/leader" || pathname.startsWith("/static/"))
  if (!ours) return
  event.respondWith(
    (async () => {
      const shelf = await caches.open(SHELF)
      try {
        const answer = await fetch(request)
        if (answer.ok && !answer.redirected) await shelf.put(request, answer.clone())
        return answer
      } catch (error) {
        const last = await shelf.match(request, { ignoreVary: true })
        if (last) return last
        throw error
      }
    })(),
  )
})

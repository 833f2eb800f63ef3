// A wall screen without a session: the token behind the # opens one; else it asks again by itself.
const box = document.getElementById("display"),
  said = document.getElementById("said")
const token = decodeURIComponent(location.hash.slice(1))
history.replaceState(null, "", location.pathname)

async function open() {
  if (token) {
    const answer = await fetch("/api/display", {
      method: "POST",
      headers: { "content-type": "application/json", accept: "application/json" },
      body: JSON.stringify({ token }),
    })
    if (answer.ok) {
      location.replace((await answer.json()).home)
      return true
    }
    said.textContent = (await answer.json().catch(() => ({}))).detail || box.dataset.gone
    return false
  }
  const answer = await fetch(location.pathname, { headers: { accept: "text/html" } })
  if (answer.redirected) location.replace("/")
  return answer.redirected
}

async function attempt() {
  const done = await open().catch(() => {
    said.textContent = box.dataset.away
    return false
  })
  if (!done) setTimeout(attempt, 1000 * Number(box.dataset.again))
}
if (token) attempt()
else setTimeout(attempt, 1000 * Number(box.dataset.again))

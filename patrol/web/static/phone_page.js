// A page for the phone: shows the last state that it has, queues what is done on it, and sends the
// queue when there is a link. leader.js and ground.js say what they show and how a message is sent.
import { beforeLeaving, newKey } from "./database.js"
import { cachePage, openPhone, smaller } from "./phone.js"
import { account, logInAgain, OtherAccount, request, verdict } from "./session.js"

const FILES = ["database.js", "phone.js", "phone_page.js", "session.js"] // imported, for a visit without a link
const line = document.getElementById("link")
export const phrases = document.getElementById("phrases").dataset

// `home`: the page's address. `state`: where its state is fetched, and `name`, under which the last
// one is kept. `concerns`: the changes at the centre after which it is fetched again.
// `waits(message)`: whether a queued message is shown as waiting. `draw(state, waiting)` shows both.
// `send(message)`: true when it is over and done with, accepted or refused.
// `complain(text)`: says that a photo cannot be read; without it the line of the link does.
export function openPhonePage({ home, state, name, concerns, waits = () => true, draw: show, send, complain }) {
  const { queue, keep, kept, forget } = openPhone(`patrol-${home.slice(1)}`)
  let shown = null,
    online = true,
    refused = "",
    stranger = "", // the account that logged in meanwhile, in another window
    sending = false,
    source

  async function fetchState() {
    try {
      const answer = await fetch(state, { headers: { accept: "application/json" } })
      if (answer.status === 401) {
        logInAgain(home)
        return
      }
      if (!answer.ok) throw new Error(answer.status)
      const fetched = await answer.json()
      online = true
      stranger = fetched.account === account ? "" : fetched.account
      if (stranger) shown ??= await kept(`${name}:${account}`) // theirs is not shown on this page
      else await keep(`${name}:${account}`, (shown = fetched))
    } catch {
      online = false
      shown ??= await kept(`${name}:${account}`)
    }
    await draw()
  }

  const waitingMessages = async () => (await queue.all()).filter(waits)

  async function draw() {
    const waiting = await waitingMessages()
    showConnection(waiting)
    if (!shown) return
    show(shown, waiting)
    const phone = document.getElementById("phone")
    phone.hidden = !shown.phone
    phone.href = `tel:${shown.phone}`
    phone.textContent = `${phrases.call} ${shown.phone}`
  }

  function showConnection(waiting) {
    line.hidden = online && !waiting.length && !refused && !stranger
    line.textContent = [
      online ? "" : line.dataset.offline,
      waiting.length ? line.dataset.waiting.replace("{n}", waiting.length) : "",
      stranger ? line.dataset.stranger.replace("{account}", stranger) : "",
      refused ? line.dataset.refused + refused : "",
    ]
      .filter(Boolean)
      .join(" ")
  }

  // Say in the line of the link that something was not accepted; an empty text takes it back.
  async function refuse(text) {
    refused = text
    showConnection(await waitingMessages())
  }

  async function append(message, address) {
    const all = await queue.all()
    await queue.add({
      key: newKey(),
      order: (all.at(-1)?.order ?? 0) + 1,
      account,
      address,
      client_at: new Date().toISOString(),
      ...message,
    })
  }

  async function enqueue(message, address) {
    await beforeLeaving(append(message, address))
    await draw()
    deliver()
  }

  async function deliver() {
    if (sending) return
    sending = true
    try {
      for (const message of await queue.all()) {
        if (message.account !== account) continue
        if (!(await sendOne(message))) break
        await queue.drop(message.key)
      }
    } finally {
      sending = false
    }
    await fetchState()
  }

  async function sendOne(message) {
    try {
      const isOver = await send(message)
      if (isOver) online = true
      return isOver
    } catch (error) {
      // Of another account's session: kept until its owner is back.
      stranger = error instanceof OtherAccount ? error.account : ""
      online = error instanceof OtherAccount
      return false
    }
  }

  // One request of a message: the answer, and whether the message has to be sent again "later".
  async function attempt(address, options) {
    const answer = await request(address, { method: "POST", ...options })
    stranger = ""
    const outcome = verdict(answer.status)
    if (outcome !== "login") return { state: outcome, answer }
    logInAgain(home) // what is queued stays
    return { state: "later", answer }
  }

  async function choosePhoto(event) {
    if (!event.target.matches("input[type=file]") || !event.target.files[0]) return
    const form = event.target.form,
      chosen = form.querySelector(".chosen")
    try {
      form.photo_ready = await smaller(event.target.files[0])
      chosen.src = URL.createObjectURL(form.photo_ready)
      chosen.hidden = false
    } catch {
      form.photo_ready = null
      await (complain ?? refuse)(phrases.badphoto)
    }
  }

  async function logOut() {
    await deliver() // logging out empties the phone: what waits must be sent first
    if ((await queue.all()).length) {
      draw()
      return
    }
    await request("/api/logout", { method: "POST" }).catch(() => {})
    await forget()
    location.assign("/login")
  }

  // ---- the link comes and goes
  function listen() {
    if (source || document.hidden) return
    const since = document.body.dataset.rendered ?? new Date(0).toISOString() // what changed after it is told at once
    source = new EventSource(`/api/live?since=${encodeURIComponent(since)}`)
    source.addEventListener("hello", () => {
      online = true
      deliver()
    })
    source.addEventListener("moved", (event) => {
      if (concerns.test(event.data)) fetchState()
    })
    source.addEventListener("error", goOffline)
  }

  function goOffline() {
    online = false
    draw()
  }

  function onVisibility() {
    if (document.hidden) {
      source?.close()
      source = undefined
    } else {
      listen()
      deliver()
    }
  }

  // Show what is kept, and begin; resolves when what waited has been tried once.
  function start() {
    document.getElementById("main").addEventListener("change", choosePhoto)
    document.getElementById("logout").addEventListener("click", logOut)
    document.addEventListener("visibilitychange", onVisibility)
    addEventListener("online", deliver)
    addEventListener("offline", goOffline)
    setInterval(() => {
      if (!document.hidden) deliver()
    }, 15_000)
    if ("serviceWorker" in navigator)
      cachePage(home, FILES).then(
        () => {
          document.body.dataset.cached = ""
        },
        () => {},
      )
    kept(`${name}:${account}`).then((last) => {
      shown ??= last
      draw()
    })
    listen()
    return deliver()
  }

  return { queue, enqueue, attempt, refuse, start }
}

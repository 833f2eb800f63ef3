// What calls to the screen, on every console page of those who review or follow cases: the number in
// the title, a sound, notifications of the desktop, and the header's mark of urgent findings that
// nobody has reviewed, which sounds every half minute until they are or until it is muted on this page. How loud
// is the account's choice (/account). Everything is told once, by one of the browser's pages.
import { onMoved, listen, send } from "./console.js"

const strip = document.getElementById("alarm"),
  text = strip.querySelector("a"),
  mute = strip.querySelector("button"),
  EVERY_MS = 20_000,
  SOUND_MS = 30_000,
  KEEP_MS = 86_400_000,
  STORE = `patrol-attention-${document.body.dataset.account}`
const TONES = {
  finding: [[0, 880], [0.25, 660]],
  overdue: [[0, 520], [0.2, 520]],
  reply: [[0, 740]],
}
const title = document.title
let muted = new Set(),
  alarming = [],
  audio = null

// ---- what this browser has told already, shared by its pages; gone with the login
function load() {
  const empty = { told: {}, seen: document.body.dataset.rendered, sounded: 0 }
  try {
    return { ...empty, ...JSON.parse(localStorage.getItem(STORE) ?? "{}") }
  } catch {
    return empty
  }
}
function save(state) {
  const oldest = Date.now() - KEEP_MS
  for (const [key, at] of Object.entries(state.told)) if (at < oldest) delete state.told[key]
  try {
    localStorage.setItem(STORE, JSON.stringify(state))
  } catch {
    /* a browser that keeps nothing tells it on every page */
  }
}
// One page at a time, so that two do not tell the same thing.
const alone = (act) => (navigator.locks ? navigator.locks.request(STORE, act) : act())

async function renew() {
  try {
    const { seen } = load()
    const now = await send(`/api/attention?since=${encodeURIComponent(seen)}`, undefined, { method: "GET" })
    await alone(() => tell(now))
  } catch {
    /* the live line says that the service is away */
  }
}

function tell(now) {
  const state = load(),
    wanted = new Set(now.kinds),
    fresh = now.items.filter((item) => wanted.has(item.kind) && !state.told[item.key])
  for (const item of now.items) state.told[item.key] = Date.now()
  showTitle(now, wanted)
  showStrip(now)
  if (now.desktop) notify(fresh)
  const kind = Object.keys(TONES).find((one) => fresh.some((item) => item.kind === one))
  const rings = now.alarm_sound && isLoud() && Date.now() - state.sounded >= SOUND_MS
  if (rings || (kind && now.sound && (kind !== "finding" || now.alarm_sound)))
    if (beep(rings ? "finding" : kind)) state.sounded = Date.now()
  save(state)
}

function showTitle({ totals }, wanted) {
  const count = Object.entries(totals).reduce((sum, [kind, n]) => sum + (wanted.has(kind) ? n : 0), 0)
  document.title = count ? `(${count}) ${title}` : title
}

const isLoud = () => alarming.some((ident) => !muted.has(ident))

// In a place of the header that is kept for it: nothing moves.
function showStrip(now) {
  alarming = now.items.filter((item) => item.kind === "finding").map((item) => item.id)
  strip.hidden = !alarming.length
  text.textContent = now.alarm && (isWide() ? now.alarm : `⚠ ${now.totals.finding}`)
  text.title = now.alarm
  text.setAttribute("aria-label", now.alarm)
  if (alarming.length && text.hasAttribute("href")) text.href = `/review?finding=${alarming[0]}`
  mute.hidden = !isLoud()
  strip.dataset.loud = String(isLoud() && now.alarm_sound)
}
const isWide = () => strip.clientWidth > 400

// Three at most by themselves; more as their number.
function notify(fresh) {
  if (!fresh.length || !("Notification" in window) || Notification.permission !== "granted") return
  const shown = fresh.length > 3 ? [] : fresh
  if (!shown.length) {
    const label = strip.dataset.many.replace("{n}", fresh.length)
    shown.push({ title: label, text: [...new Set(fresh.map((item) => item.title))].join("\n"), key: "many", url: "/" })
  }
  for (const item of shown) {
    const note = new Notification(item.title, { body: item.text, tag: item.key, lang: document.documentElement.lang })
    note.onclick = () => {
      window.focus()
      location.assign(item.url)
      note.close()
    }
  }
}

// Browsers play nothing before the page was clicked or typed in once. True: it was heard.
function beep(kind) {
  if (!audio && !navigator.userActivation?.hasBeenActive) return false
  audio ??= new AudioContext()
  if (audio.state === "suspended") {
    audio.resume().catch(() => {})
    if (audio.state === "suspended") return false
  }
  strip.dataset.sounded = String(Number(strip.dataset.sounded ?? 0) + 1)
  for (const [at, pitch] of TONES[kind]) {
    const tone = audio.createOscillator(),
      volume = audio.createGain()
    tone.frequency.value = pitch
    volume.gain.value = 0.2
    tone.connect(volume).connect(audio.destination)
    tone.start(audio.currentTime + at)
    tone.stop(audio.currentTime + at + 0.2)
  }
  return true
}

mute.addEventListener("click", () => {
  muted = new Set(alarming)
  renew()
})
// Somebody is at the page: the replies so far are read.
let read = 0
for (const kind of ["pointerdown", "keydown"]) {
  addEventListener(kind, () => {
    if (audio?.state === "suspended" || !audio) {
      audio ??= new AudioContext()
      audio.resume().then(renew, () => {})
    }
    if (Date.now() - read < 2000) return
    read = Date.now()
    alone(() => save({ ...load(), seen: new Date(Date.now() + offset).toISOString() }))
    setTimeout(renew, 300)
  })
}
// The site's clock, not this machine's: as the page was rendered, plus what has passed since.
const offset = Date.parse(document.body.dataset.rendered) - Date.now()

// ---- the choice on the page of the own account
const form = document.getElementById("attention")
form?.addEventListener("submit", async (event) => {
  event.preventDefault()
  const fields = new FormData(form)
  const { toast } = await import("./console.js")
  try {
    await send("/api/account/attention", {
      sound: fields.has("sound"),
      desktop: fields.has("desktop"),
      kinds: fields.getAll("kinds"),
    })
    if (fields.has("desktop") && "Notification" in window && Notification.permission === "default")
      await Notification.requestPermission()
    toast(form.dataset.done)
    renew()
    allowed()
  } catch (error) {
    toast(error.message, "bad")
  }
})
document.getElementById("listen")?.addEventListener("click", () => beep("finding"))
function allowed() {
  const said = document.getElementById("allowed")
  if (!said) return
  const state = "Notification" in window ? Notification.permission : "missing"
  said.textContent = said.dataset[state] ?? ""
}
allowed()

onMoved(["queue", "cases"], renew)
setInterval(renew, EVERY_MS)
listen()
renew()

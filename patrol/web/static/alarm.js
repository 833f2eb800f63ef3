// The alarm of unreviewed urgent findings, on every page of those who review: a badge in the title,
// a line with a link, and a sound every half minute until it is reviewed or muted on this page.
import { onMoved, listen, send } from "./console.js"

const line = document.getElementById("alarm"),
  text = line.querySelector("a"),
  mute = line.querySelector("button"),
  EVERY_MS = 20_000,
  SOUND_MS = 30_000
const title = document.title
let alarming = [],
  muted = new Set(),
  sounded = 0,
  audio = null

async function renew() {
  try {
    const answer = await send("/api/alarms", undefined, { method: "GET" })
    alarming = answer.findings.map((one) => one.id)
    document.title = answer.count ? `(${answer.count}) ${title}` : title
    line.hidden = !answer.count
    text.textContent = answer.words
    if (alarming.length) text.href = `/review?finding=${alarming[0]}`
    const loud = alarming.some((ident) => !muted.has(ident))
    mute.hidden = !loud
    line.dataset.loud = String(loud && answer.sound)
    if (loud && answer.sound && Date.now() - sounded >= SOUND_MS) beep()
  } catch {
    /* the live line says that the service is away */
  }
}

// Two tones; browsers play nothing before the page was clicked or typed in once.
function beep() {
  audio ??= new AudioContext()
  if (audio.state === "suspended") {
    audio.resume().catch(() => {})
    if (audio.state === "suspended") return
  }
  sounded = Date.now()
  line.dataset.sounded = String(Number(line.dataset.sounded ?? 0) + 1)
  for (const [at, pitch] of [[0, 880], [0.25, 660]]) {
    const tone = audio.createOscillator(),
      volume = audio.createGain()
    tone.frequency.value = pitch
    volume.gain.value = 0.2
    tone.connect(volume).connect(audio.destination)
    tone.start(audio.currentTime + at)
    tone.stop(audio.currentTime + at + 0.2)
  }
}

mute.addEventListener("click", () => {
  muted = new Set(alarming)
  renew()
})
for (const kind of ["pointerdown", "keydown"]) {
  addEventListener(kind, () => {
    audio ??= new AudioContext()
    if (audio.state === "suspended") audio.resume().then(renew, () => {})
  }, { once: true })
}
onMoved(["queue"], renew)
setInterval(renew, EVERY_MS)
listen()
renew()

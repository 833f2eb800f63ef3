// One case: each button asks for its reason (and what else it needs) first. What was asked for is
// kept and sent until it stands; it belongs to the case as it was on the screen.
import { send, toast } from "./console.js"
import { sentence, submit } from "./kept.js"
const dialog = document.getElementById("moving"),
  form = dialog.querySelector("form"),
  leadsTo = document.getElementById("leads-to")
let asked = null,
  busy = false
const shown = () => document.querySelector(".case[data-id]").dataset

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-move]")
  if (!button || busy) return
  asked = {
    move: button.dataset.move,
    needs: button.dataset.needs !== undefined,
    what: button.textContent.trim(),
    seen: shown().seen,
  }
  document.getElementById("moving-title").textContent = button.textContent
  for (const field of dialog.querySelectorAll("[data-field]")) {
    field.hidden = !button.dataset.asks.split(" ").includes(field.dataset.field)
  }
  form.elements.note.value = ""
  dialog.showModal()
  form.elements.note.focus()
  preview()
})

// The dates that so many hours lead to, from the server, which knows the office's calendar.
let newest = 0
async function preview() {
  if (dialog.querySelector("[data-field=hours]").hidden) return
  const number = ++newest,
    hours = form.elements.hours.valueAsNumber
  leadsTo.value = ""
  if (!form.elements.hours.validity.valid || !hours) {
    leadsTo.value = leadsTo.dataset.none
    return
  }
  try {
    const { words } = await send(`/api/cases/${shown().id}/extension?hours=${hours}`, undefined, { method: "GET" })
    if (number === newest) leadsTo.value = words
  } catch (error) {
    if (number === newest) leadsTo.value = `${error.message} ${error.reply?.detail ?? ""}`
  }
}
form.elements.hours.addEventListener("input", preview)
form.addEventListener("submit", (event) => event.preventDefault())

dialog.addEventListener("click", async (event) => {
  const button = event.target.closest("button")
  if (!button || busy) return
  if (button.value === "no") {
    dialog.close()
    return
  }
  const { note, grid, hours, span, tags, recipient, template } = form.elements
  if (asked.needs && !note.value.trim()) {
    toast(dialog.dataset.reason, "bad")
    note.focus()
    return
  }
  const ident = shown().id
  busy = button.disabled = true
  try {
    const { state, reply } = await submit(
      `/api/cases/${ident}/move`,
      {
        move: asked.move,
        note: note.value,
        grid: grid.value,
        hours: hours.valueAsNumber || 0,
        span: asked.move === "supervise" ? span.valueAsNumber || 0 : 0,
        tags: tags.value,
        recipient: recipient.value,
        template: template.value,
        seen: asked.seen,
      },
      `${ident} ${asked.what}`,
    )
    if (state === "refused") toast(sentence(reply), "bad")
    else dialog.close() // sent, or kept and shown as not sent
  } finally {
    busy = button.disabled = false
  }
})

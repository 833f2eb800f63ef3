// One case: each button asks for its reason (and what else it needs) first.
import { send, toast } from "./console.js"
const dialog = document.getElementById("moving"),
  form = dialog.querySelector("form")
let asked = null
document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-move]")
  if (!button) return
  asked = { move: button.dataset.move, needs: button.dataset.needs !== undefined }
  document.getElementById("moving-title").textContent = button.textContent
  for (const field of dialog.querySelectorAll("[data-field]")) {
    field.hidden = !button.dataset.asks.split(" ").includes(field.dataset.field)
  }
  form.elements.note.value = ""
  dialog.showModal()
  form.elements.note.focus()
})
dialog.addEventListener("click", async (event) => {
  const button = event.target.closest("button")
  if (!button) return
  if (button.value === "no") {
    dialog.close()
    return
  }
  const { note, grid, hours } = form.elements
  if (asked.needs && !note.value.trim()) {
    toast(dialog.dataset.reason, "bad")
    note.focus()
    return
  }
  const ident = document.querySelector(".case[data-id]").dataset.id
  try {
    await send(`/api/cases/${ident}/move`, {
      move: asked.move,
      note: note.value,
      grid: grid.value,
      hours: hours.valueAsNumber || 0,
    })
    dialog.close()
  } catch (error) {
    toast(`${error.message} ${error.reply?.detail ?? ""}`, "bad")
  }
})

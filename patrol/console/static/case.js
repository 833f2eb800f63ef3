// One case: the desk's moves ask for their reason first.
import { send, toast } from "./console.js"
const dialog = document.getElementById("moving"), note = document.getElementById("moving-note")
let asked = null
document.addEventListener("click", (event) => {
  if (event.target.closest("[data-print]")) print()
  const button = event.target.closest("button[data-move]")
  if (!button) return
  asked = button.dataset.move
  document.getElementById("moving-title").textContent = button.textContent
  document.getElementById("moving-grid").hidden = asked !== "reassign"
  note.value = ""
  dialog.showModal()
  note.focus()
})
dialog.addEventListener("click", async (event) => {
  const button = event.target.closest("button")
  if (!button) return
  if (button.value === "no") { dialog.close(); return }
  const ident = document.querySelector(".case[data-id]").dataset.id
  try {
    await send(`/api/cases/${ident}/move`, { move: asked, note: note.value, grid: dialog.querySelector("select").value })
    dialog.close()
  } catch (error) { toast(`${error.message} ${error.said?.detail ?? ""}`, "bad") }
})

// A first login: the invitation stands behind the #, which browsers send to no server by themselves.
import { send } from "./console.js"
const form = document.getElementById("invitation"),
  wrong = document.getElementById("wrong")
const ticket = decodeURIComponent(location.hash.slice(1)) || sessionStorage.getItem("invitation") || ""
sessionStorage.setItem("invitation", ticket) // another language is another page, and loses the #
history.replaceState(null, "", location.pathname)
const name = ticket.split("~")[0]
document.getElementById("whose").textContent = name
form.elements.name.value = name
const showProblem = (text) => {
  wrong.textContent = text
  wrong.hidden = !text
}
if (ticket.split("~").length !== 3) showProblem(form.dataset.gone)
form.addEventListener("submit", async (event) => {
  event.preventDefault()
  const { password, again } = form.elements
  if (password.value !== again.value) {
    showProblem(form.dataset.short)
    return
  }
  try {
    const { home } = await send("/api/welcome", { ticket, password: password.value })
    sessionStorage.removeItem("invitation")
    location.assign(home)
  } catch (error) {
    showProblem(error.reply?.detail || error.message)
  }
})

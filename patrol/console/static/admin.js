// Accounts and the audit log.
import { send, toast } from "./console.js"
const once = document.getElementById("once")

function showOnce(said) {
  document.getElementById("once-name").textContent = said.name
  document.getElementById("once-password").textContent = said.password
  document.getElementById("once-address").textContent = said.address ?? ""
  const svg = document.getElementById("once-qr")
  svg.replaceChildren()
  if (said.qr) {
    const size = said.qr.length + 4
    svg.setAttribute("viewBox", `-2 -2 ${size} ${size}`)
    said.qr.forEach((row, y) => [...row].forEach((dot, x) => {
      if (dot !== "#") return
      const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect")
      for (const [key, value] of Object.entries({ x, y, width: 1.02, height: 1.02 })) rect.setAttribute(key, value)
      svg.append(rect)
    }))
  }
  svg.style.display = said.qr ? "" : "none"
  once.showModal()
}
document.getElementById("once-close")?.addEventListener("click", () => { once.close(); location.reload() })
document.getElementById("add")?.addEventListener("submit", async (event) => {
  event.preventDefault()
  try { showOnce(await send("/api/accounts", Object.fromEntries(new FormData(event.target)))) } catch (error) { toast(`${error.message} ${error.said?.detail ?? ""}`, "bad") }
})
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-password]")
  if (!button || !confirm(button.dataset.ask)) return
  try { showOnce(await send(`/api/accounts/${button.dataset.password}/password`, {})) } catch (error) { toast(error.message, "bad") }
})
document.getElementById("own")?.addEventListener("submit", async (event) => {
  event.preventDefault()
  try {
    await send("/api/account/password", Object.fromEntries(new FormData(event.target)))
    toast(event.target.dataset.done)
    setTimeout(() => location.assign("/login"), 1500)
  } catch (error) { toast(`${error.message} ${error.said?.detail ?? ""}`, "bad") }
})
document.getElementById("check")?.addEventListener("click", async (event) => {
  const { holds, broken } = event.target.dataset
  try {
    const said = await send("/api/audit/check", {})
    toast(said.holds ? holds : broken.replace("{n}", said.first_broken), said.holds ? "" : "bad")
  } catch (error) { toast(error.message, "bad") }
})

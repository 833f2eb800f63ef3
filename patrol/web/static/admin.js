// Office pages: accounts, keys, the audit log, the shift's signatures, what is stopped.
import { send, toast } from "./console.js"
import { onAttempt, sentence, submit } from "./kept.js"
const once = document.getElementById("once")

function showOnce(login) {
  document.getElementById("once-name").textContent = login.name
  document.getElementById("once-password").textContent = login.password
  document.getElementById("once-address").textContent = login.address ?? ""
  for (const part of once.querySelectorAll("[data-of=password]")) part.hidden = !login.password
  document.getElementById("once-display").hidden = Boolean(login.password)
  const svg = document.getElementById("once-qr")
  svg.replaceChildren()
  if (login.qr) {
    const size = login.qr.length + 4
    svg.setAttribute("viewBox", `-2 -2 ${size} ${size}`)
    login.qr.forEach((row, y) =>
      [...row].forEach((dot, x) => {
        if (dot !== "#") return
        const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect")
        for (const [key, value] of Object.entries({ x, y, width: 1.02, height: 1.02 }))
          rect.setAttribute(key, value)
        svg.append(rect)
      }),
    )
  }
  svg.style.display = login.qr ? "" : "none"
  once.showModal()
}
document.getElementById("once-close")?.addEventListener("click", () => {
  once.close()
  location.reload()
})
document.getElementById("add")?.addEventListener("submit", async (event) => {
  event.preventDefault()
  try {
    showOnce(await send("/api/accounts", Object.fromEntries(new FormData(event.target))))
  } catch (error) {
    toast(`${error.message} ${error.reply?.detail ?? ""}`, "bad")
  }
})
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-password]")
  if (!button || !confirm(button.dataset.ask)) return
  try {
    showOnce(await send(`/api/accounts/${button.dataset.password}/password`, {}))
  } catch (error) {
    toast(error.message, "bad")
  }
})
const dutying = document.getElementById("dutying")
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-duty]")
  if (!button) return
  const form = dutying.querySelector("form")
  dutying.dataset.name = dutying.querySelector("small").textContent = button.dataset.duty
  form.elements.duty.value = button.dataset.now
  form.elements.person.value = button.dataset.person
  dutying.showModal()
})
dutying?.addEventListener("click", async (event) => {
  const button = event.target.closest("button")
  if (!button) return
  if (button.value === "no") {
    dutying.close()
    return
  }
  try {
    await send(
      `/api/accounts/${dutying.dataset.name}/duty`,
      Object.fromEntries(new FormData(dutying.querySelector("form"))),
    )
    location.reload()
  } catch (error) {
    toast(`${error.message} ${error.reply?.detail ?? ""}`, "bad")
  }
})
document.getElementById("own")?.addEventListener("submit", async (event) => {
  event.preventDefault()
  try {
    await send("/api/account/password", Object.fromEntries(new FormData(event.target)))
    toast(event.target.dataset.done)
    setTimeout(() => location.assign("/login"), 1500)
  } catch (error) {
    toast(`${error.message} ${error.reply?.detail ?? ""}`, "bad")
  }
})
document.getElementById("check")?.addEventListener("click", async (event) => {
  const { holds, broken } = event.target.dataset
  try {
    const result = await send("/api/audit/check", {})
    toast(result.holds ? holds : broken.replace("{n}", result.first_broken), result.holds ? "" : "bad")
  } catch (error) {
    toast(error.message, "bad")
  }
})
document.getElementById("addkey")?.addEventListener("submit", async (event) => {
  event.preventDefault()
  const fields = new FormData(event.target)
  try {
    const made = await send("/api/keys", { name: fields.get("name"), scopes: fields.getAll("scopes") })
    document.getElementById("once-name").textContent = made.name
    document.getElementById("once-password").textContent = made.secret
    once.showModal()
  } catch (error) {
    toast(`${error.message} ${error.reply?.detail ?? ""}`, "bad")
  }
})
document.getElementById("fsck")?.addEventListener("click", async ({ target }) => {
  target.disabled = true
  try {
    const { problems } = await send("/api/system/check", {})
    if (problems.length)
      toast(target.dataset.wrong.replace("{n}", problems.length) + problems.slice(0, 3).join("; "), "bad")
    else toast(target.dataset.well)
  } catch (error) {
    toast(error.message, "bad")
  } finally {
    target.disabled = false
  }
})
for (const choice of document.querySelectorAll("[data-scope]")) {
  const show = () => {
    for (const field of choice.form.querySelectorAll("[data-of]"))
      field.hidden = field.dataset.of !== choice.value
  }
  choice.addEventListener("change", show)
  show()
}
// Signatures and stoppages: kept and sent until they stand; the form rests until it is known.
for (const form of document.querySelectorAll("form[data-sign]")) {
  const button = form.querySelector("button"),
    what = form.querySelector("h2").textContent.trim()
  let sent = ""
  const settle = (state, reply) => {
    button.disabled = state === "done" || state === "later"
    if (state === "refused") toast(sentence(reply), "bad")
    if (state !== "done") return
    toast(form.dataset.done)
    setTimeout(() => location.reload(), 600)
  }
  form.addEventListener("submit", async (event) => {
    event.preventDefault()
    if (button.disabled || (form.dataset.ask && !confirm(form.dataset.ask))) return
    const fields = Object.fromEntries(new FormData(form))
    if (fields.scope && fields.scope !== "rounds") fields.subject = fields[fields.scope]
    button.disabled = true
    const { key, state, reply } = await submit(form.dataset.sign, fields, what)
    sent = key
    settle(state, reply)
  })
  onAttempt(({ entry, state, reply }) => {
    if (entry.key === sent && state !== "later") settle(state, reply)
  })
}

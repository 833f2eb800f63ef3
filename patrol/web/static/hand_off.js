// A hand-off's sheet: enter what the department answered; it is kept until it stands.
import { toast } from "./console.js"
import { sentence, submit } from "./kept.js"

const form = document.getElementById("answer")
form?.addEventListener("submit", async (event) => {
  event.preventDefault()
  const text = form.elements.text.value
  const { state, reply } = await submit(form.dataset.address, { event: "answer", text }, text)
  if (state === "refused") toast(sentence(reply), "bad")
  else location.reload()
})

// Patrols on the ground at the desk: decide on doubtful check-ins, enter telephoned ones.
import { toast } from "./console.js"
import { sentence, submit } from "./kept.js"

document.addEventListener("submit", async (event) => {
  const form = event.target
  if (form.dataset.checkIn) {
    event.preventDefault()
    const decision = event.submitter?.value ?? "accept",
      note = form.elements.note.value
    await send(`/api/rosters/review/${decision}`, { check_in: form.dataset.checkIn, note }, note)
  }
  if (form.id === "telephoned") {
    event.preventDefault()
    const { point, person, seen } = form.elements
    await send(form.dataset.address, { point: point.value, person: person.value, seen: seen.value }, point.value)
  }
})

async function send(address, body, what) {
  const { state, reply } = await submit(address, body, what)
  if (state === "refused") toast(sentence(reply), "bad")
  else location.reload()
}

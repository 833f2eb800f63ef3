// The grid page: give a grid its free tags; they are kept until they stand.
import { toast } from "./console.js"
import { sentence, submit } from "./kept.js"

document.addEventListener("submit", async (event) => {
  const { tags: address } = event.target.dataset
  if (!address) return
  event.preventDefault()
  const tags = event.target.elements.tags.value
  const { state, reply } = await submit(address, { tags }, tags)
  if (state === "refused") toast(sentence(reply), "bad")
  else location.reload()
})

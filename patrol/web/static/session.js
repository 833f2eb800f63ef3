// Requests under this page's login. The CSRF token belongs to a session: a page that was opened (or
// cached) under an earlier one gets 403 of kind "csrf", asks whose session it is now, and tries once
// more with the new token, unless another account has logged in meanwhile.
import { written } from "./database.js"

export const account = document.body.dataset.account ?? ""
let csrf = document.querySelector('meta[name="csrf"]')?.content ?? ""

export class OtherAccount extends Error {
  constructor(name) {
    super(name)
    this.account = name
  }
}

// fetch() with the token; `headers` and `body` as there. Rejects as fetch does, and with OtherAccount.
export async function request(address, { headers = {}, ...options } = {}) {
  const ask = () =>
    fetch(address, { ...options, headers: { accept: "application/json", ...headers, "x-patrol-csrf": csrf } })
  const answer = await ask()
  if (!(await isStale(answer))) return answer
  const session = await fetch("/api/session", { headers: { accept: "application/json" }, signal: options.signal })
  if (!session.ok) return session
  const now = await session.json()
  if (now.account !== account) throw new OtherAccount(now.account)
  csrf = now.csrf
  return ask()
}

async function isStale(answer) {
  if (answer.status !== 403) return false
  const reply = await answer
    .clone()
    .json()
    .catch(() => ({}))
  return reply.kind === "csrf"
}

// The page is left once (a second navigation would cut the first one off), and not before what it
// keeps is written.
let isLeaving = false
export async function leave(go) {
  if (isLeaving) return
  isLeaving = true
  await written()
  go()
}
export const logInAgain = (next = location.pathname) =>
  leave(() => location.assign(`/login?next=${encodeURIComponent(next)}`))

// What is to be done with an answer: "done", "login" (then once more), "later" (the same again), or
// "refused" (never again).
export function verdict(status) {
  if (status >= 200 && status < 300) return "done"
  if (status === 401) return "login"
  return status >= 500 || status === 429 || status === 408 ? "later" : "refused"
}

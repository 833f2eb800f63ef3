// New HTML into a live piece of the page, under the reader's hands. What stays the same keeps its
// element, so keyboard focus, opened details, typed text and scrolled lists stay. What the pointer is
// on does not move and is not exchanged: the part of the piece that would do so waits until the
// pointer or the focus is elsewhere, and the page says that something waits. After an action of the
// reader's own nothing waits for the button that was pressed: the change is what was asked for.

const ACTIVE = "a[href], button, input, select, textarea, summary, label, [tabindex]"
const OWN_MS = 10_000, // how long a change is taken for what the reader's own action did
  TELL_AFTER_MS = 1500 // held shorter, nobody needs to know
const waiting = new Map() // piece → the function that puts its newest content in
let pointer = null, // {x, y} of a mouse over the page
  pressed = null, // what a button or finger is down on
  own = { at: -Infinity, on: null },
  told = 0

// ---- what the reader does
addEventListener("pointermove", (event) => {
  if (event.pointerType === "touch") return
  pointer = { x: event.clientX, y: event.clientY }
  retry()
}, { passive: true, capture: true })
document.documentElement.addEventListener("pointerleave", () => {
  pointer = null
  retry()
})
addEventListener("pointerdown", ({ target }) => { pressed = target }, { passive: true, capture: true })
for (const kind of ["pointerup", "pointercancel"])
  addEventListener(kind, () => {
    pressed = null
    setTimeout(retry) // after the click that belongs to it
  }, { passive: true, capture: true })
addEventListener("focusin", () => retry())
addEventListener("click", ({ target }) => {
  const button = target.closest?.("button[data-post], dialog button, form button")
  if (button) own = { at: performance.now(), on: button }
}, { capture: true })
const isOwn = () => performance.now() - own.at < OWN_MS

// Put `html` into `piece`, or keep it until it disturbs nobody; the newest wins. `pick`: the selector
// of the element in it that is the content.
export function renew(piece, html, pick = "") {
  const put = () => tryRenew(piece, contentOf(html, pick))
  if (put()) settle(piece)
  else {
    waiting.set(piece, put)
    piece.dataset.held = ""
    told ||= setTimeout(tell, TELL_AFTER_MS)
  }
}

function retry() {
  for (const [piece, put] of waiting) if (put()) settle(piece)
}

function settle(piece) {
  waiting.delete(piece)
  delete piece.dataset.held
  if (waiting.size) return
  clearTimeout(told)
  told = 0
  const note = document.getElementById("held")
  if (note) note.hidden = true
}

function tell() {
  const note = document.getElementById("held")
  if (note && waiting.size) note.hidden = false
}

function contentOf(html, pick) {
  const parsed = new DOMParser().parseFromString(html, "text/html")
  const found = pick ? parsed.querySelector(pick) : parsed.body
  const holder = document.createElement("div")
  holder.append(...(pick ? [found].filter(Boolean) : found.childNodes))
  return holder
}

// Renew all of the piece; else all but the part under the reader's hands; else nothing. True: all.
function tryRenew(piece, content) {
  if (!content.childNodes.length) return true
  if (pressed && piece.contains(pressed)) return false
  const hands = handsOn(piece)
  if (losesFocus(piece, content)) return renewOthers(piece, content, document.activeElement, hands)
  const before = piece.cloneNode(true)
  change(piece, content.cloneNode(true))
  if (isUndisturbed(hands)) return true
  change(piece, before)
  return renewOthers(piece, content, hands.target, hands)
}

function renewOthers(piece, content, target, hands) {
  const part = partOf(piece, target)
  if (!part) return false
  const before = piece.cloneNode(true)
  change(piece, content.cloneNode(true), part)
  if (!isUndisturbed(hands)) change(piece, before)
  return false
}

// The child of the piece that holds this element; none where the piece has but one.
function partOf(piece, target) {
  const children = [...piece.children]
  return children.length > 1 ? children.find((child) => child.contains(target)) : null
}

function handsOn(piece) {
  const target = pointer && document.elementFromPoint(pointer.x, pointer.y)?.closest(ACTIVE)
  if (!target || !piece.contains(target)) return null
  if (isOwn() && target === own.on) return null
  const { left, top } = target.getBoundingClientRect()
  return { target, left, top }
}

function isUndisturbed(hands) {
  if (!hands) return true
  const { target, left, top } = hands
  if (!target.isConnected || !pointer) return false
  const now = target.getBoundingClientRect()
  const found = document.elementFromPoint(pointer.x, pointer.y)?.closest(ACTIVE)
  return found === target && Math.abs(now.left - left) <= 1 && Math.abs(now.top - top) <= 1
}

// Whether the focused element of the piece is not in its new content.
function losesFocus(piece, content) {
  const focused = document.activeElement
  if (!piece.contains(focused) || focused === piece || isOwn()) return false
  return !sameIn(content, focused)
}

function sameIn(root, element) {
  const key = keyOf(element)
  return [...root.querySelectorAll(element.localName)].find((one) => keyOf(one) === key)
}

function change(piece, content, kept = null) {
  const focused = piece.contains(document.activeElement) && document.activeElement !== piece ? document.activeElement : null
  morph(piece, content, kept)
  if (focused && document.activeElement !== focused) {
    const again = focused.isConnected ? focused : sameIn(piece, focused)
    if (again) again.focus({ preventScroll: true })
    else rest(piece)
  }
  piece.dispatchEvent(new CustomEvent("renewed", { bubbles: true }))
}

// Nothing in the piece is pressed by Enter now, and Tab goes on from here.
function rest(piece) {
  piece.setAttribute("tabindex", "-1")
  piece.focus({ preventScroll: true })
}

// ---- one tree becomes another
function keyOf(node) {
  if (node.nodeType !== Node.ELEMENT_NODE) return ""
  const { dataset, id, localName } = node
  const name = dataset.key ?? id ?? ""
  const sense = name || node.getAttribute("href") || dataset.post || dataset.move || node.getAttribute("name") || ""
  return sense ? `${localName} ${sense}${dataset.body ?? ""}` : ""
}

function isAlike(have, wanted) {
  return have.nodeType === wanted.nodeType && have.nodeName === wanted.nodeName && keyOf(have) === keyOf(wanted)
}

function morph(from, to, kept) {
  const keyed = new Map()
  for (const child of from.childNodes) {
    const key = keyOf(child)
    if (key) keyed.set(key, [...(keyed.get(key) ?? []), child])
  }
  let cursor = from.firstChild
  for (const wanted of [...to.childNodes]) {
    const key = keyOf(wanted)
    const have = key ? keyed.get(key)?.shift() : cursor && nextAlike(cursor, wanted)
    if (!have) {
      from.insertBefore(wanted, cursor)
      continue
    }
    if (have !== cursor) bring(from, have, cursor)
    cursor = have.nextSibling
    if (have !== kept) morphNode(have, wanted)
  }
  while (cursor) {
    const next = cursor.nextSibling
    if (cursor !== kept) cursor.remove()
    cursor = next
  }
}

// The next sibling that is alike, if nothing that has a key stands before it.
function nextAlike(cursor, wanted) {
  for (let one = cursor; one; one = one.nextSibling) {
    if (isAlike(one, wanted)) return one
    if (keyOf(one)) return null
  }
  return null
}

// `have` to the place before `cursor`. What holds the focus is not taken out of the page, which would
// lose it: those before it go behind it instead.
function bring(parent, have, cursor) {
  if (!have.contains(document.activeElement)) {
    parent.insertBefore(have, cursor)
    return
  }
  const last = have.nextSibling
  for (let one = cursor; one && one !== have; ) {
    const next = one.nextSibling
    parent.insertBefore(one, last)
    one = next
  }
}

function morphNode(have, wanted) {
  if (have.nodeType !== Node.ELEMENT_NODE) {
    if (have.nodeValue !== wanted.nodeValue) have.nodeValue = wanted.nodeValue
    return
  }
  if (have.isEqualNode(wanted)) return
  for (const { name } of [...have.attributes])
    if (!wanted.hasAttribute(name) && !isReaders(have, name)) have.removeAttribute(name)
  for (const { name, value } of wanted.attributes)
    if (have.getAttribute(name) !== value && !isReaders(have, name)) have.setAttribute(name, value)
  morph(have, wanted, null)
}

// Attributes that are the reader's, not the server's: which details are open, where focus rests.
const isReaders = (element, name) => (element.localName === "details" && name === "open") || name === "tabindex"

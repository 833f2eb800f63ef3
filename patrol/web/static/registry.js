// Import of a registry table: compare first, show every change, import it after the user confirms.
// The form says where (data-to; default: cameras) and where to go afterwards (data-then).
import { send, toast } from "/static/console.js"

const form = document.getElementById("import"),
  outcome = document.getElementById("outcome")
const t = (zh, en) => (form.dataset.lang === "zh" ? zh : en)
const to = form.dataset.to ?? "/api/cameras/import",
  then = form.dataset.then ?? "/cameras"
const KINDS = {
  added: t("新增", "added"),
  changed: t("修改", "changed"),
  retired: form.dataset.gone ?? t("停用", "retired"),
}

const make = (name, text = "", className = "") =>
  Object.assign(document.createElement(name), { textContent: text, className })
const cells = (row, ...texts) => {
  for (const text of texts) row.append(make("td", text))
  return row
}

function table(heads, rows) {
  const whole = make("table"),
    head = make("tr"),
    body = make("tbody"),
    box = make("div", "", "scroll")
  for (const title of heads) head.append(Object.assign(make("th", title), { scope: "col" }))
  whole.append(make("thead"), body)
  whole.tHead.append(head)
  body.append(...rows)
  box.append(whole)
  return box
}

function wrong(error) {
  const rows = (error.reply?.problems ?? []).map((one) =>
    cells(make("tr"), `${one.file}:${one.line}`, one.field, one.text),
  )
  outcome.replaceChildren(make("h2", error.message, "bad"))
  if (rows.length)
    outcome.append(
      table(
        [t("行", "Line"), t("字段", "Field"), t("问题与改法", "What is wrong, what would be right")],
        rows,
      ),
    )
}

function described(change) {
  return change.cells
    .map(({ column, before, after }) =>
      before === after
        ? `${column}: ${t("密码已换", "another password")}`
        : `${column}: ${before || "—"} → ${after || "—"}`,
    )
    .join("; ")
}

function compared(plan, file) {
  const { added, changed, retired } = plan.counts,
    some = added + changed + retired > 0
  const summary = some
    ? t(
        `新增 ${added}，修改 ${changed}，${KINDS.retired} ${retired}；${plan.unchanged} 行不变`,
        `${added} added, ${changed} changed, ${retired} ${KINDS.retired}; ${plan.unchanged} as they are`,
      )
    : t("与现在的表完全一样，没有要做的。", "The same as the present table: nothing to do.")
  outcome.replaceChildren(make("h2", summary))
  const rows = plan.changes.map((change) => {
    const row = make("tr", "", change.kind)
    const kind = make("td")
    kind.append(
      make(
        "span",
        KINDS[change.kind],
        `pill ${change.kind === "retired" ? "bad" : change.kind === "added" ? "ok" : "warn"}`,
      ),
    )
    row.append(kind)
    return cells(row, change.name, change.camera, described(change))
  })
  if (rows.length)
    outcome.append(
      table([t("变化", "Change"), t("名称", "Name"), t("编码", "Code"), t("内容", "What")], rows),
    )
  if (rows.length < added + changed + retired)
    outcome.append(
      make("p", t("只列出每类前 500 条。", "The first 500 of each kind are listed."), "dimmed"),
    )
  if (plan.notices.length)
    outcome.append(
      make("h2", t("请留意", "Worth a look")),
      table(
        [t("行", "Line"), t("字段", "Field"), t("说明", "What")],
        plan.notices.map((one) => cells(make("tr"), one.line, one.field, one.text)),
      ),
    )
  if (some) outcome.append(confirmation(plan, file))
}

function confirmation(plan, file) {
  const asked = document.getElementById("confirm").content.cloneNode(true).firstElementChild
  asked.querySelector(".tick").hidden = !plan.counts.retired
  asked.elements.retire.required = plan.counts.retired > 0
  asked.addEventListener("submit", async (event) => {
    event.preventDefault()
    const body = new FormData()
    body.append("file", file)
    body.append("mark", plan.mark)
    body.append("why", asked.elements.why.value.trim())
    const button = asked.querySelector("button")
    button.disabled = true
    try {
      await send(to, body)
      toast(form.dataset.done ?? t("已导入，下一轮巡查起使用", "Taken over; used from the next round on"))
      setTimeout(() => location.assign(then), 800)
    } catch (error) {
      wrong(error)
    }
  })
  return asked
}

form.addEventListener("submit", async (event) => {
  event.preventDefault()
  const file = form.elements.file.files[0],
    body = new FormData(),
    button = form.querySelector("button")
  body.append("file", file)
  outcome.hidden = false
  outcome.replaceChildren(make("p", t("正在比对…", "Comparing …"), "empty"))
  button.disabled = true
  try {
    compared(await send(`${to}/check`, body), file)
  } catch (error) {
    wrong(error)
  } finally {
    button.disabled = false
  }
})
